import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { test } from 'tap'
import { VARIABLES, readConfig } from '../../src/config/config.ts'
import { givenPath } from '../../src/given-path.ts'

test('DEPOT_TRUST_PROXY is on, off, or a list of addresses', async (t) => {
  t.equal(readConfig({}).trustProxy, false)
  t.equal(readConfig({ DEPOT_TRUST_PROXY: 'on' }).trustProxy, true)
  for (const text of ['10.0.0.1', '192.168.0.0/16, 10.0.0.1', 'loopback', 'fd00::/8', '::1'])
    t.equal(readConfig({ DEPOT_TRUST_PROXY: text }).trustProxy, text)
  for (const text of [
    'yes',
    'true',
    'proxy.example',
    '10.0.0.1/33',
    '10.0.0.1/0',
    '10.0.0.1/8/8',
    '10.0.0.1,',
    'loopback/8',
  ]) {
    t.throws(
      () => readConfig({ DEPOT_TRUST_PROXY: text }),
      { code: 'invalid_request', message: /^DEPOT_TRUST_PROXY must be/ },
      text,
    )
  }
})

test('DEPOT_LISTEN is a host and a port, with brackets around IPv6', async (t) => {
  t.match(readConfig({}), { host: '127.0.0.1', port: 9636 })
  t.match(readConfig({ DEPOT_LISTEN: '[::1]:0' }), { host: '::1', port: 0 })
  t.match(readConfig({ DEPOT_LISTEN: 'depot.example:65535' }), { host: 'depot.example', port: 65_535 })
  for (const text of ['127.0.0.1', ':9636', '::1:9636', '127.0.0.1:65536', '127.0.0.1:http']) {
    t.throws(
      () => readConfig({ DEPOT_LISTEN: text }),
      { code: 'invalid_request', message: /^DEPOT_LISTEN / },
      text,
    )
  }
})

const reading = (text: string) => readConfig({ DEPOT_ANONYMOUS: text }).anonymous

test('DEPOT_ANONYMOUS is read or none, and origins to which the opposite applies', async (t) => {
  t.strictSame(readConfig({}).anonymous, { isAllowed: true, exceptions: [] })
  t.strictSame(reading('none'), { isAllowed: false, exceptions: [] })
  t.strictSame(reading('none, core=read,chef=read'), { isAllowed: false, exceptions: ['core', 'chef'] })
  t.strictSame(reading('read,acme=none'), { isAllowed: true, exceptions: ['acme'] })
  for (const text of [
    'off',
    'core=read',
    'none,core',
    'none,core=off',
    'none,core=none',
    'read,acme=none,core=read',
    'none,No Origin=read',
    'none,a=read=none',
  ])
    t.throws(
      () => reading(text),
      { message: /^DEPOT_ANONYMOUS must be read or none, perhaps followed by/ },
      text,
    )
  t.throws(() => reading('none,core=read,core=read'), { message: 'DEPOT_ANONYMOUS names "core" twice' })
})

test('DEPOT_WORKERS is a number or auto', async (t) => {
  t.equal(readConfig({}).workers, 1)
  t.equal(readConfig({ DEPOT_WORKERS: '3' }).workers, 3)
  t.equal(readConfig({ DEPOT_WORKERS: 'auto' }).workers, Math.min(availableParallelism(), 64))
  for (const text of ['0', '65', '-1', '1.5', 'two', '1e1'])
    t.throws(
      () => readConfig({ DEPOT_WORKERS: text }),
      { code: 'invalid_request', message: 'DEPOT_WORKERS must be a number from 1 to 64, or auto' },
      text,
    )
})

test('a size is a number of bytes or has a unit', async (t) => {
  t.equal(readConfig({}).maxUploadBytes, 16 * 1024 ** 3)
  t.equal(readConfig({ DEPOT_MAX_UPLOAD: '5000' }).maxUploadBytes, 5000)
  t.equal(readConfig({ DEPOT_MAX_UPLOAD: '512MiB' }).maxUploadBytes, 512 * 1024 ** 2)
  t.equal(readConfig({ DEPOT_MAX_UPLOAD: '2 TiB' }).maxUploadBytes, 2 * 1024 ** 4)
  for (const text of [
    '0',
    '16',
    '1023',
    '0GiB',
    '-1',
    '-1GiB',
    'much',
    '2PiB',
    '99999999999999999999',
    '1.5GiB',
    '1e9',
    'GiB',
  ])
    t.throws(
      () => readConfig({ DEPOT_MAX_UPLOAD: text }),
      { message: 'DEPOT_MAX_UPLOAD must be a size from 1KiB to 1PiB, such as 512MiB' },
      text,
    )
  for (const [text, meant] of [
    ['16GB', '16GiB'],
    ['16G', '16GiB'],
    ['512 mb', '512MiB'],
    ['1gib', '1GiB'],
  ] as const) {
    t.throws(
      () => readConfig({ DEPOT_MAX_UPLOAD: text }),
      {
        message: `DEPOT_MAX_UPLOAD must be a size from 1KiB to 1PiB, such as 512MiB; did you mean ${meant}?`,
      },
      text,
    )
  }
})

test('one error names all wrong settings, and an empty variable counts as unset', async (t) => {
  t.throws(() => readConfig({ DEPOT_TARGETS: 'x86_64-linux,vax-vms', DEPOT_SIGNATURES: 'maybe' }), {
    message: /DEPOT_TARGETS .*; ?DEPOT_SIGNATURES|DEPOT_SIGNATURES .*; ?DEPOT_TARGETS/,
  })
  t.throws(() => readConfig({ DEPOT_ADMIN_TOKEN: 'x'.repeat(31) }), {
    message: /^DEPOT_ADMIN_TOKEN must have at least 32/,
  })
  for (const [name, value] of [
    ['DEPOT_ADMIN_TOKEN', 'x'.repeat(32)],
    ['DEPOT_SECRET_KEY', 'ab'.repeat(32)],
  ] as const) {
    t.throws(() => readConfig({ [name]: value, [`${name}_FILE`]: '/run/secrets/one' }), {
      code: 'invalid_request',
      message: `${name} and ${name}_FILE are both set: set only one of them`,
    })
  }
  t.throws(() => readConfig({ DEPOT_SECRET_KEY: 'ab' }), {
    message: 'DEPOT_SECRET_KEY must be 64 hex characters',
  })
  t.throws(() => readConfig({ DEPOT_DATABASE_URL: 'mysql://x' }), {
    message: /^DEPOT_DATABASE_URL must be sqlite:/,
  })
  t.throws(() => readConfig({ DEPOT_COLOUR: 'red' }), {
    message: /^there is no setting DEPOT_COLOUR; settings are DEPOT_LISTEN/,
  })
  t.strictSame(readConfig({ DEPOT_TARGETS: 'x86_64-linux, x86_64-darwin' }).targets, [
    'x86_64-linux',
    'x86_64-darwin',
  ])
  t.strictSame(readConfig({ DEPOT_ORIGIN_CREATORS: 'alice, bob' }).originCreators, ['alice', 'bob'])
  t.equal(readConfig({ DEPOT_TARGETS: '' }).targets.length, 5)
})

test('DEPOT_WEBHOOK_NETWORKS is any or a list of networks', async (t) => {
  t.strictSame(readConfig({}).webhookNetworks, [])
  t.strictSame(readConfig({ DEPOT_WEBHOOK_NETWORKS: '10.0.0.0/8, fd00::/8,127.0.0.1' }).webhookNetworks, [
    '10.0.0.0/8',
    'fd00::/8',
    '127.0.0.1',
  ])
  t.equal(readConfig({ DEPOT_WEBHOOK_NETWORKS: 'any' }).webhookNetworks, 'any')
  for (const text of ['all', 'any,10.0.0.0/8', '10.0.0.0/33', 'localhost', '10.0.0/8', 'loopback']) {
    t.throws(
      () => readConfig({ DEPOT_WEBHOOK_NETWORKS: text }),
      { code: 'invalid_request', message: /^DEPOT_WEBHOOK_NETWORKS must be any, or networks/ },
      text,
    )
  }
})

test('single sign-on has an issuer over https, and the name of the depot there', async (t) => {
  t.equal(readConfig({}).singleSignOn, undefined)
  const named = { DEPOT_OIDC_ISSUER: 'https://login.example', DEPOT_OIDC_CLIENT_ID: 'depot' }
  t.match(readConfig(named).singleSignOn, {
    issuer: 'https://login.example',
    clientId: 'depot',
    clientSecretFile: undefined,
    scopes: 'openid profile',
    groupsClaim: 'groups',
    makesAccounts: false,
  })
  t.equal(readConfig({ ...named, DEPOT_OIDC_NEW_ACCOUNTS: 'on' }).singleSignOn?.makesAccounts, true)
  for (const environment of [
    { DEPOT_OIDC_ISSUER: 'https://login.example' },
    { DEPOT_OIDC_CLIENT_ID: 'depot' },
    { ...named, DEPOT_OIDC_ISSUER: 'http://login.example' },
    { ...named, DEPOT_OIDC_ISSUER: 'login.example' },
    { ...named, DEPOT_OIDC_SCOPES: 'profile' },
    { ...named, DEPOT_OIDC_NEW_ACCOUNTS: 'yes' },
  ])
    t.throws(() => readConfig(environment), { code: 'invalid_request', message: /DEPOT_OIDC_/ })
})

test('upstream has a URL without secrets, and origins', async (t) => {
  t.equal(readConfig({}).upstream, undefined)
  t.match(readConfig({ DEPOT_UPSTREAM: 'https://bldr.habitat.sh' }).upstream, { origins: [] })
  t.match(
    readConfig({
      DEPOT_UPSTREAM: 'https://bldr.example/builder',
      DEPOT_UPSTREAM_ORIGINS: 'core, chef,core',
      DEPOT_UPSTREAM_PROXY: 'http://user:word@proxy.example:3128',
      DEPOT_UPSTREAM_CA: '/etc/ca.pem',
    }).upstream,
    {
      url: 'https://bldr.example/builder',
      origins: ['core', 'chef'],
      proxy: 'http://user:word@proxy.example:3128',
      caFile: '/etc/ca.pem',
      tokenFile: undefined,
    },
  )
  for (const environment of [
    { DEPOT_UPSTREAM: 'bldr.habitat.sh' },
    { DEPOT_UPSTREAM: 'https://token@bldr.habitat.sh' },
    { DEPOT_UPSTREAM: 'https://bldr.habitat.sh?token=x' },
    { DEPOT_UPSTREAM_ORIGINS: 'core' },
    { DEPOT_UPSTREAM: 'https://bldr.habitat.sh', DEPOT_UPSTREAM_ORIGINS: 'core,Chef' },
    { DEPOT_UPSTREAM: 'https://bldr.habitat.sh', DEPOT_UPSTREAM_PROXY: 'socks://proxy.example' },
  ])
    t.throws(() => readConfig(environment), { code: 'invalid_request', message: /^DEPOT_UPSTREAM/ })
})

test('DEPOT_PUBLIC_URL is the URL of the depot itself, and may have a path', async (t) => {
  t.equal(readConfig({}).publicUrl, undefined)
  t.equal(readConfig({ DEPOT_PUBLIC_URL: 'https://depot.example/' }).publicUrl, 'https://depot.example')
  t.equal(
    readConfig({ DEPOT_PUBLIC_URL: 'https://example.com/builder/depot/' }).publicUrl,
    'https://example.com/builder/depot',
  )
  for (const text of [
    'ftp://x',
    'example.com',
    'https://example.com/v1',
    'https://example.com/depot/v1/',
    'https://example.com/v1/depot',
    'https://example.com/api',
    'https://example.com/a//b',
    'https://u:p@example.com/',
    'https://example.com/?x',
    'https://example.com/#x',
  ]) {
    t.throws(
      () => readConfig({ DEPOT_PUBLIC_URL: text }),
      { code: 'invalid_request', message: /^DEPOT_PUBLIC_URL / },
      text,
    )
  }
})

/** Returns the variables that Kubernetes sets for a Service. */
const service = (name: string) => ({
  [`${name}_SERVICE_HOST`]: '10.96.12.7',
  [`${name}_SERVICE_PORT`]: '9636',
  [`${name}_SERVICE_PORT_HTTP`]: '9636',
  [`${name}_SERVICE_PORT_HTTP_METRICS`]: '9637',
  [`${name}_PORT`]: 'tcp://10.96.12.7:9636',
  [`${name}_PORT_9636_TCP`]: 'tcp://10.96.12.7:9636',
  [`${name}_PORT_9636_TCP_PROTO`]: 'tcp',
  [`${name}_PORT_9636_TCP_PORT`]: '9636',
  [`${name}_PORT_9636_TCP_ADDR`]: '10.96.12.7',
  [`${name}_PORT_53_UDP`]: 'udp://[fd00::7]:53',
  [`${name}_PORT_53_UDP_ADDR`]: 'fd00::7',
})

test('variables that Kubernetes sets for a Service called depot or depot-… are ignored', async (t) => {
  t.strictSame(
    readConfig({ ...service('DEPOT'), ...service('DEPOT_API'), ...service('DEPOT_DATABASE_2') }),
    readConfig({}),
  )
  for (const [name, value] of [
    ['DEPOT_PORT', '9636'],
    ['DEPOT_PORT', 'http://10.96.12.7:9636'],
    ['DEPOT_HOST', '10.96.12.7'],
    ['DEPOT_SERVICE', 'x'],
    ['DEPOT_SERVICE_HOST', 'depot.example'],
    ['DEPOT_SERVICE_PORT', 'http'],
    ['DEPOT_PORT_9636_TCP_NAME', 'x'],
    ['DEPOT_PORT_HTTP', '9636'],
  ] as const) {
    t.throws(
      () => readConfig({ [name]: value }),
      { code: 'invalid_request', message: new RegExp(`^there is no setting ${name}`) },
      `${name}=${value}`,
    )
  }
})

test('errors about wrong names and values suggest the nearest known one', async (t) => {
  for (const [wrong, message] of [
    [{ DEPOT_MAXUPLOAD: '1GiB' }, 'there is no setting DEPOT_MAXUPLOAD; did you mean DEPOT_MAX_UPLOAD?'],
    [
      { DEPOT_LISTN: 'x', DEPOT_WORKER: '2' },
      'there is no setting DEPOT_LISTN; did you mean DEPOT_LISTEN? there is no setting DEPOT_WORKER; did you mean DEPOT_WORKERS?',
    ],
    [{ DEPOT_SIGNATURES: 'verfy' }, 'DEPOT_SIGNATURES must be require or verify; did you mean verify?'],
    [{ DEPOT_SIGNATURES: 'none' }, 'DEPOT_SIGNATURES must be require or verify'],
    [{ DEPOT_FAST_PATH: 'yes' }, 'DEPOT_FAST_PATH must be on or off'],
    [
      { DEPOT_LOG_LEVEL: 'Debug' },
      'DEPOT_LOG_LEVEL must be fatal, error, warn, info, debug, trace or silent; did you mean debug?',
    ],
    [
      { DEPOT_TARGETS: 'x86_64-linux,x86_64-linx' },
      'DEPOT_TARGETS names "x86_64-linx", which is not a target; did you mean x86_64-linux?',
    ],
    [{ DEPOT_TARGETS: ',' }, 'DEPOT_TARGETS names no target'],
    [{ DEPOT_ORIGIN_CREATORS: ' , ' }, 'DEPOT_ORIGIN_CREATORS names no account'],
    [
      { DEPOT_ORIGIN_CREATORS: 'alice,bob smith' },
      'DEPOT_ORIGIN_CREATORS names "bob smith", which is not an account name',
    ],
    [{ DEPOT_PUBLIC_URL: 'depot.example' }, 'DEPOT_PUBLIC_URL must be a URL, such as https://depot.example'],
    [{ DEPOT_DATABASE_URL: 'sqlite:' }, 'DEPOT_DATABASE_URL must be sqlite:FILE'],
    [
      { DEPOT_DATABASE_URL: 'postgres://db.example/depot?sslmode=prefer' },
      /^DEPOT_DATABASE_URL has sslmode=prefer, but/,
    ],
    [{ DEPOT_DATABASE_LISTEN_URL: 'postgres://db.example/' }, /^DEPOT_DATABASE_LISTEN_URL must be postgres:/],
    [{ DEPOT_DATABASE_URL: 'postgres://db.example/depot?sslmode=verify-ca' }, /which needs sslrootcert=FILE/],
    [{ DEPOT_BLOBS: 'fs:' }, 'DEPOT_BLOBS must be fs:FOLDER, or s3://BUCKET or s3://BUCKET/PREFIX'],
    [{ DEPOT_BLOBS: 's3://Bucket' }, /^DEPOT_BLOBS must be fs:FOLDER, or s3:/],
    [{ DEPOT_BLOBS: 's3://bucket/a//b' }, /^DEPOT_BLOBS must be/],
    [{ DEPOT_BLOBS: 's3://bucket/../b' }, /^DEPOT_BLOBS must be/],
    [{ DEPOT_S3_ENDPOINT: 'https://key:secret@s3.example' }, /^DEPOT_S3_ENDPOINT must be a URL with no path/],
    [{ DEPOT_ACCEL_LOCATION: '/_packages/', DEPOT_TRUST_PROXY: 'on' }, /without a slash at its end/],
    [{ DEPOT_ACCEL_LOCATION: '/_packages' }, /but DEPOT_TRUST_PROXY is off/],
    [{ DEPOT_LISTEN: 'a b:1' }, 'DEPOT_LISTEN must be HOST:PORT, for example 127.0.0.1:9636'],
  ] as const) {
    t.throws(() => readConfig(wrong), { code: 'invalid_request', message }, String(message))
  }
})

test('a bucket is read with its prefix, and where the service is', (t) => {
  const endpoint = 'https://s3.example'
  const config = readConfig({
    DEPOT_DATA: '/d',
    DEPOT_BLOBS: 's3://packages/a/b/',
    DEPOT_S3_ENDPOINT: endpoint,
  })
  t.strictSame(config.blobBucket, {
    bucket: 'packages',
    prefix: 'a/b/',
    endpoint,
    region: 'us-east-1',
    hasPathStyle: false,
  })
  t.equal(config.blobFolder, '/d/blobs', 'uploads are received there')
  t.match(readConfig({ DEPOT_BLOBS: 's3://packages' }), { blobBucket: { prefix: '', region: undefined } })
  t.match(readConfig({ DEPOT_S3_ENDPOINT: endpoint, AWS_REGION: 'x-1' }), { s3: { region: undefined } })
  t.end()
})

test('relative paths start from the current folder, also under npm', async (t) => {
  const throughNpm = { npm_package_name: 'hart-depot', INIT_CWD: '/srv/site' }
  t.match(
    readConfig({
      ...throughNpm,
      DEPOT_DATA: 'depot',
      DEPOT_BLOBS: 'fs:../blobs',
      DEPOT_DATABASE_URL: 'sqlite:db/depot.sqlite',
    }),
    {
      dataFolder: '/srv/site/depot',
      blobFolder: '/srv/blobs',
      database: { engine: 'sqlite', file: '/srv/site/db/depot.sqlite' },
    },
  )
  t.match(readConfig({ ...throughNpm, DEPOT_DATA: '/var/lib/depot' }), { dataFolder: '/var/lib/depot' })
  t.match(readConfig(throughNpm), { dataFolder: resolve('data') }, 'the default folder is in the clone')
  t.match(
    readConfig({ ...throughNpm, npm_package_name: 'another', DEPOT_DATA: 'depot' }),
    { dataFolder: resolve('depot') },
    'scripts of other packages keep their folder',
  )
  t.equal(givenPath('token', throughNpm), '/srv/site/token')
  t.equal(givenPath('token', {}), resolve('token'))
})

test('docs/settings.md has a row for each setting', async (t) => {
  const page = readFileSync(new URL('../../docs/settings.md', import.meta.url), 'utf8')
  const rows = page.split('\n').flatMap((line) => /^\| (`DEPOT_[^|]*) \|/.exec(line)?.[1] ?? [])
  const named = rows.flatMap((row) => [...row.matchAll(/\bDEPOT_\w+/g)].map(([name]) => name))
  t.strictSame(named.toSorted(), VARIABLES.toSorted())
})

test('a mirror keeps channels that are refreshed, within limits', async (t) => {
  const upstream = { DEPOT_UPSTREAM: 'https://bldr.example', DEPOT_UPSTREAM_ORIGINS: 'core' }
  t.equal(readConfig(upstream).upstream?.mirror, undefined)
  const settings = {
    DEPOT_MIRROR: 'core/stable',
    DEPOT_MIRROR_VIEWS: 'union, delivered',
    DEPOT_MIRROR_NEWEST: '3',
    DEPOT_MIRROR_EVERY: '6h',
    DEPOT_MIRROR_RATE: '2MiB',
  }
  t.match(readConfig({ ...upstream, ...settings }).upstream?.mirror, {
    channels: [{ origin: 'core', channel: 'stable' }],
    views: ['union', 'delivered'],
    newest: 3,
    everyMs: 6 * 60 * 60_000,
    bytesPerS: 2 * 1024 * 1024,
    parallel: 2,
  })
  for (const [wrong, message] of [
    [{ DEPOT_MIRROR: 'acme/stable' }, /DEPOT_MIRROR names "acme\/stable"/],
    [{ DEPOT_MIRROR: 'core/base' }, /DEPOT_MIRROR names "core\/base"/],
    [{ DEPOT_MIRROR_RATE: '1KiB' }, /DEPOT_MIRROR_RATE must be 0, or at least 64KiB/],
    [{ DEPOT_MIRROR_NEWEST: '0' }, /DEPOT_MIRROR_NEWEST must be a number from 1 to 100/],
    [{ DEPOT_UPSTREAM_REFRESH: '5s' }, /DEPOT_UPSTREAM_REFRESH must be 0 or a period/],
    [{ DEPOT_UPSTREAM_CHANNELS: 'unstable' }, /DEPOT_UPSTREAM_CHANNELS .*unstable/],
  ] as const)
    t.throws(() => readConfig({ ...upstream, ...wrong }), { code: 'invalid_request', message })
})
