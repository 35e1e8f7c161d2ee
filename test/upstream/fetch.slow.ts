import { test } from 'tap'
import { UNRESTRICTED_AUDIENCE } from '../../src/access/access.ts'
import { findRelease } from '../../src/releases/release-store.ts'
import { ask } from '../support/ask.ts'
import { makeKeys } from '../support/build-hart.ts'
import { bearer } from '../support/origin.ts'
import {
  OTHER,
  REDIS,
  download,
  downloadPath,
  glibc,
  isDownload,
  redis,
  startSite,
} from '../support/copies/upstream-site.ts'

test('what is missing here comes from upstream', async (t) => {
  const { site, upstream, asked, upstreamUrl } = await startSite(t)

  await t.test('upstream is asked for listed origins alone, and never by a poll', async (step) => {
    for (const path of [
      `/v1/depot/pkgs/${OTHER}/download?target=x86_64-linux`,
      `/v1/depot/pkgs/${OTHER}?target=x86_64-linux`,
      '/v1/depot/origins/acme/keys',
      '/v1/depot/origins/acme/keys/latest',
      '/v1/depot/pkgs/core/redis/latest?target=x86_64-linux',
      '/v1/depot/channels/core/stable/pkgs/redis/latest?target=x86_64-linux',
      '/v1/depot/pkgs/core/redis',
    ])
      await ask(site.url + path)
    step.strictSame(asked, [])
  })

  await t.test('a dependency that upstream has counts as present', async (step) => {
    for (const place of [
      'pkgs/core',
      'channels/core/unstable/pkgs',
      'views/union/pkgs/core',
      'views/union/channels/core/stable/pkgs',
    ]) {
      const answer = await ask(`${site.url}/v1/depot/${place}/glibc/2.40/20260101120000?target=x86_64-linux`)
      step.equal(answer.status, 200, place)
      step.match(JSON.parse(answer.text), {
        ident: { origin: 'core', name: 'glibc' },
        checksum: glibc.checksum,
      })
    }
    step.equal(asked.filter(isDownload).length, 0, 'its bytes are not fetched')
    step.equal((await ask(`${site.url}/v1/depot/pkgs/core/glibc/9/1?target=x86_64-linux`)).status, 404)
  })

  await t.test('the keys of an upstream origin are recorded when they are first asked for', async (step) => {
    step.match(JSON.parse((await ask(`${site.url}/v1/depot/origins/core/keys`)).text), [{ origin: 'core' }])
    step.match((await ask(`${site.url}/v1/depot/origins/core/keys/latest`)).text, /^SIG-PUB-1\ncore-/)
    step.equal((await ask(`${site.url}/v1/depot/origins/core/keys/20300101000000`)).status, 404)
    const before = asked.length
    for (const revision of ['..%2F..%2F..%2F..%2Fadmin', '..%2Fkeys', '2030010100000', 'latest%2F'])
      step.equal((await ask(`${site.url}/v1/depot/origins/core/keys/${revision}`)).status, 404, revision)
    step.equal(asked.length, before, 'upstream is asked for names of keys alone')
  })

  await t.test('a release is fetched once and stored with its source', async (step) => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => download(site, redis)))
    for (const answer of answers) {
      step.equal(answer.status, 200)
      step.equal(answer.headers.get('x-filename'), 'core-redis-7.0.0-20260101120000-x86_64-linux.hart')
      step.ok(Buffer.from(await answer.arrayBuffer()).equals(redis.bytes))
    }
    step.equal(asked.filter(isDownload).length, 1)
    const release = await findRelease(site.depot.db, REDIS, redis.target, UNRESTRICTED_AUDIENCE)
    step.match(release, { source: upstreamUrl, isVerified: true, visibility: 'public' })
    const metrics = (await ask(`${site.url}/metrics`)).text
    step.match(metrics, /hart_depot_upstream_fetches_total\{outcome="stored"\} 1\n/)
    step.match(metrics, new RegExp(`hart_depot_upstream_fetched_bytes_total ${redis.bytes.length}\n`))
  })

  await t.test('a miss is remembered, but not for ever', async (step) => {
    const path = '/v1/depot/pkgs/core/redis/9.9.9/20260101120000/download?target=x86_64-linux'
    step.equal((await ask(site.url + path)).status, 404)
    const once = asked.length
    step.equal((await ask(site.url + path)).status, 404)
    step.equal((await ask(`${site.url}/v1/depot/pkgs/core/bad%20name/1/2/download`)).status, 404)
    step.equal(asked.length, once)
    site.setClock(site.depot.now() + 10 * 60_000)
    step.equal((await ask(site.url + path)).status, 404)
    step.ok(asked.length > once)
  })

  await t.test('what is here is served while upstream is away', async (step) => {
    await upstream.close()
    step.equal((await download(site, redis)).status, 200)
    const { revision } = makeKeys('core').publicKey
    step.match((await ask(`${site.url}/v1/depot/origins/core/keys/${revision}`)).text, /^SIG-PUB-1\n/)
  })
})

test('a release is passed on while it arrives', async (t) => {
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

test('callers without a token get no words of upstream and no figures of the depot', async (t) => {
  const { site } = await startSite(t, (path, answer) => {
    if (!path.includes('/keys')) return false
    answer.writeHead(403).end('words of upstream')
    return true
  })
  const url = `${site.url}/v1/depot/origins/core/keys/20300101000000`
  const agent = { 'user-agent': 'hab/1.6' }
  const anonymous = await fetch(url, { headers: agent })
  t.equal(anonymous.status, 502)
  t.notMatch(await anonymous.text(), /words/)
  t.match(await (await fetch(url, { headers: { ...agent, ...bearer() } })).text(), /words of upstream/)
  t.ok(site.logged.some(({ reason }) => String(reason).includes('words of upstream')))

  await site.depot.writer.submit({
    kind: 'setQuota',
    input: { origin: 'core', bytes: 1 },
    actor: { client: 'tests', door: 'cli' },
  })
  const full = await download(site, redis, agent)
  t.equal(full.status, 403)
  t.notMatch(await full.text(), /\d+ (B|KiB|MiB)/)
  const signedIn = await download(site, redis, { ...agent, ...bearer() })
  t.equal(signedIn.status, 403)
  t.match(await signedIn.text(), /quota of 1 B/)
})

test('requests that wait for a release which is then refused learn that upstream failed', async (t) => {
  const gate = Promise.withResolvers<void>()
  const half = Math.floor(glibc.bytes.length / 2)
  const { site } = await startSite(t, (path, answer) => {
    if (!isDownload(path)) return false
    answer.writeHead(200, { 'content-length': glibc.bytes.length })
    answer.write(glibc.bytes.subarray(0, half))
    void gate.promise.then(() => answer.end(Buffer.alloc(glibc.bytes.length - half)))
    return true
  })
  const whole = await download(site, glibc)
  const waiting = [
    download(site, glibc, { range: 'bytes=0-9' }),
    download(site, glibc, { 'if-none-match': '"other"' }),
    fetch(site.url + downloadPath(glibc), { method: 'HEAD' }),
  ]
  gate.resolve()
  await t.rejects(whole.arrayBuffer())
  for (const answer of await Promise.all(waiting)) {
    t.equal(answer.status, 502)
    await answer.arrayBuffer()
  }
})

test('a download of another size than the release is not read', async (t) => {
  const closed = Promise.withResolvers<void>()
  const { site } = await startSite(t, (path, answer) => {
    if (!isDownload(path)) return false
    answer.once('close', closed.resolve)
    answer.writeHead(200, { 'content-length': glibc.bytes.length + 1 }).write('HART')
    return true
  })
  t.equal((await download(site, glibc)).status, 502)
  await closed.promise
})

test('a large description is not remembered', async (t) => {
  let size = 70_000
  const { site, asked } = await startSite(t, (path, answer) => {
    if (!path.includes('/redis/')) return false
    const { target, checksum } = redis
    answer.end(JSON.stringify({ checksum, target, visibility: 'public', manifest: 'm'.repeat(size) }))
    return true
  })
  const show = (release: string) =>
    ask(`${site.url}/v1/depot/pkgs/core/redis/${release}?target=${redis.target}`)
  for (let n = 0; n < 2; n += 1) t.equal((await show('7.0.0/20260101120000')).status, 200)
  t.equal(asked.length, 2)
  size = 60_000
  for (let n = 0; n < 2; n += 1) t.equal((await show('7.0.1/20260101120000')).status, 200)
  t.equal(asked.length, 3)
})
