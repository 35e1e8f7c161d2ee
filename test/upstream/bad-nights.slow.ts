import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { UNRESTRICTED_AUDIENCE } from '../../src/access/access.ts'
import type { Limits } from '../../src/depot/limits.ts'
import { formatPublicKey, parsePublicKey } from '../../src/hart/origin-key.ts'
import { findKey } from '../../src/origins/origin-store.ts'
import { findRelease } from '../../src/releases/release-store.ts'
import { RemoteDepot } from '../../src/remote/remote-depot.ts'
import { listRefreshed } from '../../src/channels/refresh-store.ts'
import { Refresher } from '../../src/upstream/refresher.ts'
import { recordKeys } from '../../src/upstream/record-keys.ts'
import { buildHart, makeKeys } from '../support/build-hart.ts'
import { startLiar } from '../support/faults/lying-depot.ts'
import { bearer } from '../support/origin.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'
import {
  GLIBC,
  download,
  downloadPath,
  glibc,
  isDownload,
  startSite,
  startUpstream,
} from '../support/copies/upstream-site.ts'
import type { Lie } from '../support/copies/upstream-site.ts'

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
      answer.write(glibc.bytes.subarray(0, 2_500_000), () => answer.destroy())
      return true
    },
    says: /ended before its announced end/,
  },
  {
    name: 'a body that stops',
    lie(path, answer) {
      if (!isDownload(path)) return false
      answer.writeHead(200, { 'content-length': glibc.bytes.length })
      answer.write(glibc.bytes.subarray(0, 2_500_000))
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
    says: /returned something that is not JSON: .*<!DOCTYPE html>/,
  },
]

for (const { name, lie, says, limits } of BAD_NIGHTS)
  test(`${name} from upstream is refused, and nothing is stored`, async (t) => {
    const { site, asked } = await startSite(t, lie, limits)
    const answer = await download(site, glibc, bearer()).catch(() => undefined)
    const body = await answer?.arrayBuffer().catch(() => undefined)
    t.not(answer?.status === 200 && body !== undefined, true, 'no client gets all of it')
    await t.resolveMatch(findRelease(site.depot.db, GLIBC, glibc.target, UNRESTRICTED_AUDIENCE), undefined)
    const before = asked.length
    const again = await fetch(site.url + downloadPath(glibc), {
      headers: { 'user-agent': 'hab/1.6', ...bearer() },
    })
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
  const answer = await fetch(site.url + downloadPath(hart), {
    headers: { 'user-agent': 'hab/1.6', ...bearer() },
  })
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
  const refresher = await Refresher.open(depot)
  await refresher?.refreshAll([{ origin: 'core', channel: 'stable' }])
  await refresher?.close()
  t.match(await listRefreshed(depot.db), [{ fault: /^upstream has another key core-\d+ than the one/ }])
  const kept = await findKey(depot.db, 'core', 'public', publicKey.revision)
  t.ok(parsePublicKey(kept?.body ?? '').raw.equals(publicKey.raw))
})

test('one address without a token may ask only so often', async (t) => {
  const { site, asked } = await startSite(t)
  const statuses = new Set<number>()
  for (let release = 0; release < 310; release += 1)
    statuses.add(
      (await fetch(`${site.url}/v1/depot/pkgs/core/redis/9/${release}?target=x86_64-linux`)).status,
    )
  t.strictSame(statuses, new Set([404, 429]))
  t.ok(asked.filter((path) => path.includes('/redis/9/')).length < 310)
})

test('a depot that stops ends fetches for which no client waits, and keeps nothing of them', async (t) => {
  const { site } = await startSite(t, (path, answer) => {
    if (!isDownload(path)) return false
    answer.writeHead(200, { 'content-length': glibc.bytes.length })
    answer.write(glibc.bytes.subarray(0, 2_500_000))
    return true
  })
  const client = new AbortController()
  const answer = await fetch(site.url + downloadPath(glibc), { signal: client.signal })
  t.equal(answer.status, 200)
  client.abort()
  await site.close()
  t.strictSame(await readdir(join(site.depot.config.blobFolder, 'spool')), [])
})

test('an upstream that leads back to the depot is refused', async (t) => {
  const urls: string[] = []
  const logs: TestDepot['logged'][] = []
  const urlOf = (index: number) => () => urls[index] ?? ''
  const liars = [await startLiar(t, urlOf(0)), await startLiar(t, urlOf(1))]
  const [toFirst, toSecond] = liars.map(({ url }) => url)
  for (const upstream of [toSecond, toFirst]) {
    const environment = { DEPOT_UPSTREAM: upstream ?? '', DEPOT_UPSTREAM_ORIGINS: 'core' }
    const site = await startDepot(t, { listen: true, environment })
    urls.push(site.url)
    logs.push(site.logged)
  }
  const answer = await fetch(`${urls[0]}${downloadPath(glibc)}`)
  t.equal(answer.status, 502)
  await answer.arrayBuffer()
  t.ok(logs.flat().some(({ reason }) => String(reason).includes('leads back to this depot')))
  t.ok(liars.every(({ asked }) => asked.length <= 9))
})
