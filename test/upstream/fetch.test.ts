import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { test } from 'tap'
import { UNRESTRICTED_AUDIENCE } from '../../src/access/access.ts'
import type { Limits } from '../../src/depot/open.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { findRelease } from '../../src/releases/release-store.ts'
import { formatPublicKey, parsePublicKey } from '../../src/hart/origin-key.ts'
import { findKey } from '../../src/origins/origin-store.ts'
import { RemoteDepot } from '../../src/remote/remote-depot.ts'
import { recordKeys } from '../../src/upstream/record-keys.ts'
import { ask } from '../support/ask.ts'
import { buildHart, makeKeys } from '../support/build-hart.ts'
import type { BuiltHart } from '../support/build-hart.ts'
import { startLiar } from '../support/lying-depot.ts'
import { makeOrigin, upload } from '../support/origin.ts'
import { furnished, startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

const REDIS = 'core/redis/7.0.0/20260101120000'
const GLIBC = 'core/glibc/2.40/20260101120000'
const OTHER = 'acme/app/1.0.0/20260101120000'

const redis = buildHart({ ident: REDIS, tdeps: [GLIBC] })
const glibc = buildHart({
  ident: GLIBC,
  files: [{ path: `hab/pkgs/${GLIBC}/lib/libc.so`, content: randomBytes(4 * 1024 * 1024) }],
})

const startUpstream = furnished(async (started) => {
  for (const origin of ['core', 'acme']) await makeOrigin(started, origin)
  for (const hart of [redis, glibc, buildHart({ ident: OTHER })]) await upload(started, hart)
})

type Lie = (path: string, answer: ServerResponse) => boolean
type Teardown = Parameters<typeof startDepot>[0]

interface Site {
  readonly site: TestDepot
  readonly upstream: TestDepot
  readonly asked: string[]
  readonly upstreamUrl: string
}

/** Starts an upstream depot behind a server that may lie, and a depot that fetches `core` from it. */
async function startSite(t: Teardown, lie?: Lie, limits: Partial<Limits> = {}): Promise<Site> {
  const { started: upstream } = await startUpstream(t)
  const { url, asked } = await startLiar(t, upstream.url, lie)
  const site = await startDepot(t, {
    listen: true,
    environment: { DEPOT_UPSTREAM: url, DEPOT_UPSTREAM_ORIGINS: 'core' },
    limits,
  })
  return { site, upstream, asked, upstreamUrl: url }
}

const downloadPath = ({ ident, target }: BuiltHart) =>
  `/v1/depot/pkgs/${formatIdent(ident)}/download?target=${target}`

async function download({ url }: TestDepot, hart: BuiltHart, headers = {}): Promise<Response> {
  return fetch(url + downloadPath(hart), { headers })
}

const isDownload = (path: string) => path.includes('/download')

test('a missing release of a listed origin is fetched once and stored with its source', async (t) => {
  const { site, asked, upstreamUrl } = await startSite(t)
  const answers = await Promise.all(Array.from({ length: 5 }, () => download(site, redis)))
  for (const answer of answers) {
    t.equal(answer.status, 200)
    t.equal(answer.headers.get('x-filename'), 'core-redis-7.0.0-20260101120000-x86_64-linux.hart')
    t.ok(Buffer.from(await answer.arrayBuffer()).equals(redis.bytes))
  }
  t.equal(asked.filter(isDownload).length, 1)
  const release = await findRelease(site.depot.db, REDIS, redis.target, UNRESTRICTED_AUDIENCE)
  t.match(release, { source: upstreamUrl, isVerified: true, visibility: 'public' })

  const before = asked.length
  t.equal((await download(site, redis)).status, 200)
  const key = await ask(`${site.url}/v1/depot/origins/core/keys/${makeKeys('core').publicKey.revision}`)
  t.match(key.text, /^SIG-PUB-1\n/)
  t.equal(asked.length, before, 'what is here is served without upstream')
})

test('upstream is asked for listed origins alone', async (t) => {
  const { site, asked } = await startSite(t)
  for (const path of [
    `/v1/depot/pkgs/${OTHER}/download?target=x86_64-linux`,
    `/v1/depot/pkgs/${OTHER}?target=x86_64-linux`,
    '/v1/depot/origins/acme/keys',
    '/v1/depot/origins/acme/keys/latest',
    '/v1/depot/pkgs/core/redis/latest?target=x86_64-linux',
    '/v1/depot/pkgs/core/redis',
  ])
    await ask(site.url + path)
  t.strictSame(asked, [])
})

test('a miss is remembered', async (t) => {
  const { site, asked } = await startSite(t)
  const path = '/v1/depot/pkgs/core/redis/9.9.9/20260101120000/download?target=x86_64-linux'
  t.equal((await ask(site.url + path)).status, 404)
  const once = asked.length
  t.equal((await ask(site.url + path)).status, 404)
  t.equal(asked.length, once)
  t.equal((await ask(`${site.url}/v1/depot/pkgs/core/bad%20name/1/2/download`)).status, 404)
  t.equal(asked.length, once, 'a malformed ident is asked nowhere')
  site.setClock(site.depot.now() + 10 * 60_000)
  t.equal((await ask(site.url + path)).status, 404)
  t.ok(asked.length > once, 'not for ever')
})

test('a dependency that upstream has counts as present', async (t) => {
  const { site, asked } = await startSite(t)
  for (const place of ['pkgs/core', 'views/union/pkgs/core', 'views/union/channels/core/stable/pkgs']) {
    const answer = await ask(`${site.url}/v1/depot/${place}/glibc/2.40/20260101120000?target=x86_64-linux`)
    t.equal(answer.status, 200, place)
    t.match(JSON.parse(answer.text), { ident: { origin: 'core', name: 'glibc' }, checksum: glibc.checksum })
  }
  t.equal(asked.filter(isDownload).length, 0, 'its bytes are not fetched')
  t.equal((await ask(`${site.url}/v1/depot/pkgs/core/glibc/9/1?target=x86_64-linux`)).status, 404)
})

test('the keys of an upstream origin are recorded when they are first asked for', async (t) => {
  const { site } = await startSite(t)
  t.match(JSON.parse((await ask(`${site.url}/v1/depot/origins/core/keys`)).text), [{ origin: 'core' }])
  t.match((await ask(`${site.url}/v1/depot/origins/core/keys/latest`)).text, /^SIG-PUB-1\ncore-/)
  t.equal((await ask(`${site.url}/v1/depot/origins/core/keys/20300101000000`)).status, 404)
})

test('a release is passed on while it arrives, but not its last bytes', async (t) => {
  const gate = Promise.withResolvers<void>()
  const half = glibc.bytes.length / 2
  const { site } = await startSite(t, (path, answer) => {
    if (!isDownload(path)) return false
    answer.writeHead(200, { 'content-length': glibc.bytes.length })
    answer.write(glibc.bytes.subarray(0, half))
    void gate.promise.then(() => answer.end(glibc.bytes.subarray(half)))
    return true
  })
  const [first, second] = await Promise.all([download(site, glibc), download(site, glibc)])
  t.equal(first.headers.get('content-length'), String(glibc.bytes.length))
  const reader = first.body?.getReader()
  const chunks: Uint8Array[] = []
  const read = async () => {
    const { value } = (await reader?.read()) ?? {}
    if (value !== undefined) chunks.push(value)
    return value !== undefined
  }
  t.ok(await read(), 'bytes come before upstream has sent everything')
  const ranged = download(site, glibc, { range: 'bytes=0-9' })
  gate.resolve()
  while (await read());
  t.ok(Buffer.concat(chunks).equals(glibc.bytes))
  t.ok(Buffer.from(await second.arrayBuffer()).equals(glibc.bytes))
  t.equal((await ranged).status, 206)
})

/** Sends these bytes as every download, with their length. */
const instead =
  (bytes: Buffer): Lie =>
  (path, answer) => {
    if (isDownload(path)) answer.writeHead(200, { 'content-length': bytes.length }).end(bytes)
    return isDownload(path)
  }

const forged = buildHart({
  ident: GLIBC,
  files: [{ path: `hab/pkgs/${GLIBC}/lib/libc.so`, content: randomBytes(4 * 1024 * 1024) }],
})
const [lastByte = 0] = glibc.bytes.subarray(-1)
const damaged = Buffer.concat([glibc.bytes.subarray(0, -1), Buffer.from([lastByte ^ 1])])

const BAD_NIGHTS: readonly { name: string; lie: Lie; says: RegExp; limits?: Partial<Limits> }[] = [
  { name: 'wrong bytes', lie: instead(damaged), says: /the checksum of core\/glibc\/.* should be / },
  {
    name: 'another package of the same size',
    lie: instead(forged.bytes.subarray(0, glibc.bytes.length)),
    says: /the checksum of core\/glibc\/.* should be |announces \d+ bytes/,
  },
  {
    name: '200 with HTML',
    lie: instead(Buffer.from('<!DOCTYPE html><title>Sign in</title>')),
    says: /announces 37 bytes, but the release has|not a hart file: it starts with "<!DOCTYPE html>/,
  },
  {
    name: 'an endless body',
    lie(path, answer) {
      if (!isDownload(path)) return false
      answer.writeHead(200)
      const write = () => {
        while (!answer.destroyed && answer.write(glibc.bytes));
      }
      answer.on('drain', write)
      write()
      return true
    },
    says: /has more than the announced \d+ bytes/,
  },
  {
    name: 'a body that ends in the middle',
    lie(path, answer) {
      if (!isDownload(path)) return false
      answer.writeHead(200, { 'content-length': glibc.bytes.length })
      answer.write(glibc.bytes.subarray(0, 3_000_000), () => answer.destroy())
      return true
    },
    says: /ended before its announced end/,
  },
  {
    name: 'a body that stops',
    lie(path, answer) {
      if (!isDownload(path)) return false
      answer.writeHead(200, { 'content-length': glibc.bytes.length })
      answer.write(glibc.bytes.subarray(0, 3_000_000))
      return true
    },
    says: /no data of core\/glibc\/.* arrived for 30 ms/,
    limits: { uploadIdleMs: 30 },
  },
  {
    name: 'a redirect to an inner address',
    lie(path, answer) {
      if (isDownload(path)) answer.writeHead(302, { location: 'http://169.254.169.254/latest/' }).end()
      return isDownload(path)
    },
    says: /answered 302: redirects are not followed \(to http:\/\/169\.254\.169\.254\/latest\/\)/,
  },
  {
    name: 'a description that is HTML',
    lie(path, answer) {
      if (!path.includes('glibc')) return false
      answer.writeHead(200, { 'content-type': 'text/html' }).end('<!DOCTYPE html>')
      return true
    },
    says: /returned an unexpected answer/,
  },
]

for (const { name, lie, says, limits } of BAD_NIGHTS)
  test(`${name} from upstream is refused, and nothing is stored`, async (t) => {
    const { site, asked } = await startSite(t, lie, limits)
    const answer = await download(site, glibc).catch(() => undefined)
    const body = await answer?.arrayBuffer().catch(() => undefined)
    t.not(answer?.status === 200 && body !== undefined, true, 'no client gets all of it')
    await t.resolveMatch(findRelease(site.depot.db, GLIBC, glibc.target, UNRESTRICTED_AUDIENCE), undefined)
    const before = asked.length
    const again = await fetch(site.url + downloadPath(glibc), { headers: { 'user-agent': 'hab/1.6' } })
    t.equal(again.status, 502)
    t.match(await again.text(), says)
    t.equal(asked.length, before, 'the failure is remembered for some seconds')
    t.match(
      site.logged.filter(({ level }) => level === 'error'),
      [],
    )
  })

test('a package that the origin did not sign is refused, even if upstream vouches for its checksum', async (t) => {
  const { started: upstream } = await startUpstream(t)
  const hart = buildHart({ ident: 'core/evil/1.0.0/20260101120000', flaws: ['signed-by-another'] })
  const { url } = await startLiar(t, upstream.url, (path, answer) => {
    if (!path.includes('evil')) return false
    if (isDownload(path)) answer.end(hart.bytes)
    else
      answer.end(
        JSON.stringify({ checksum: hart.checksum, target: hart.target, visibility: 'public', size: null }),
      )
    return true
  })
  const site = await startDepot(t, {
    listen: true,
    environment: { DEPOT_UPSTREAM: url, DEPOT_UPSTREAM_ORIGINS: 'core', DEPOT_SIGNATURES: 'verify' },
  })
  const answer = await fetch(site.url + downloadPath(hart), { headers: { 'user-agent': 'hab/1.6' } })
  t.equal(answer.status, 502)
  t.match(await answer.text(), /its signature was not made by core-/)
})

test('a recorded key is never replaced by another of the same name', async (t) => {
  const { started: upstream } = await startUpstream(t)
  const { publicKey } = makeKeys('core')
  let isForged = false
  const { url } = await startLiar(t, upstream.url, (path, answer) => {
    if (!isForged || !path.endsWith(`/keys/${publicKey.revision}`)) return false
    answer.end(formatPublicKey({ ...publicKey, raw: makeKeys('acme').publicKey.raw }))
    return true
  })
  const { depot } = await startDepot(t, {
    environment: { DEPOT_UPSTREAM: url, DEPOT_UPSTREAM_ORIGINS: 'core' },
  })
  const source = new RemoteDepot({ url, token: undefined, pause: async () => undefined })
  t.strictSame([...(await recordKeys(depot, source, 'core')).values()], ['added'])
  t.strictSame([...(await recordKeys(depot, source, 'core')).values()], ['known'])
  isForged = true
  t.strictSame([...(await recordKeys(depot, source, 'core')).values()], ['differs'])
  const kept = await findKey(depot.db, 'core', 'public', publicKey.revision)
  t.ok(parsePublicKey(kept?.body ?? '').raw.equals(publicKey.raw))
})

test('upstream that is away harms nothing that is here', async (t) => {
  const { site, upstream } = await startSite(t)
  t.equal((await download(site, redis)).status, 200)
  await upstream.close()
  t.equal((await download(site, redis)).status, 200)
})
