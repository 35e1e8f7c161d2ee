import { randomBytes } from 'node:crypto'
import { truncateSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { DepotClient, FileChanged, RequestRefused } from '../../src/client/client.ts'
import { parseIdent } from '../../src/package/ident.ts'
import { buildHart, makeKeys } from '../support/build-hart.ts'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { makeOrigin, publishAll } from '../support/origin.ts'
import { startProxy } from '../support/http/proxy.ts'
import type { Fate } from '../support/http/proxy.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'

const IDENT = 'acme/app/1.0.0/20260101000000'
const RELEASE = parseIdent(IDENT)

async function start(
  t: Parameters<typeof startDepot>[0],
  fateOf: (asked: string, nth: number) => Fate = () => 'pass',
) {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-files-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const proxy = await startProxy(t, started.url, fateOf)
  const depot = new DepotClient({ url: proxy.url, token: ADMIN_TOKEN, pause: async () => undefined })
  t.teardown(async () => depot.close())
  return { started, depot, proxy, folder, file: join(folder, 'app.hart') }
}

test('a download continues after broken connections, and its file is the package', async (t) => {
  const { started, depot, folder, file } = await start(t, (asked, nth) =>
    asked.includes('/download') && nth <= 3 ? 'cut-within' : 'pass',
  )
  const [hart] = await publishAll(started, IDENT)
  const sizes: number[] = []
  const release = await depot.downloadFile(RELEASE, file, { onProgress: (size) => sizes.push(size) })
  t.match(release, { ident: IDENT, checksum: hart?.checksum })
  t.strictSame(await readFile(file), hart?.bytes)
  t.strictSame(await readdir(folder), ['app.hart'])
  t.strictSame(sizes.slice(0, 3), [10, 20, 30])
})

test('a download continues the part of an earlier one, and begins again if the part is of another file', async (t) => {
  const { started, depot, folder, file, proxy } = await start(t)
  const [hart] = await publishAll(started, IDENT)
  if (hart === undefined) throw new Error('nothing is published')
  for (const [part, requests] of [
    [hart.bytes.subarray(0, 100), 1],
    [hart.bytes, 0],
    [Buffer.concat([hart.bytes, Buffer.from('more')]), 1],
    [Buffer.from('something else'), 2],
  ] as const) {
    proxy.asked.length = 0
    await writeFile(`${file}.part`, part)
    await depot.downloadFile(RELEASE, file)
    t.strictSame(await readFile(file), hart.bytes)
    t.equal(proxy.asked.filter((asked) => asked.includes('/download')).length, requests)
    t.strictSame(await readdir(folder), ['app.hart'])
  }
})

test('a download that breaks off again and again keeps its part', async (t) => {
  const { started, depot, folder, file } = await start(t, (asked, nth) =>
    asked.includes('/download') && nth > 1 ? 'cut' : asked.includes('/download') ? 'cut-within' : 'pass',
  )
  await publishAll(started, IDENT)
  await t.rejects(depot.downloadFile(RELEASE, file), { name: 'Unreachable', reason: 'cut' })
  t.strictSame(await readdir(folder), ['app.hart.part'])
})

test('a damaged download leaves nothing', async (t) => {
  let bytes = 20
  const { started, depot, folder, file } = await start(t, (asked) =>
    asked.includes('/download') ? { status: 200, body: 'x'.repeat(bytes) } : 'pass',
  )
  const [hart] = await publishAll(started, IDENT)
  await t.rejects(depot.downloadFile(RELEASE, file), { name: 'Unreachable', reason: 'cut' })
  const sizeBytes = hart?.bytes.length ?? 0
  for (bytes of [sizeBytes, sizeBytes + 1]) {
    await t.rejects(depot.downloadFile(RELEASE, file), { name: 'DownloadDamaged' })
    t.strictSame(await readdir(folder), [], `${bytes} bytes`)
  }
})

test('a download with a wrong key is not repeated, and the next call continues with its part', async (t) => {
  const { started, depot, folder, file, proxy } = await start(t)
  await publishAll(started, IDENT)
  const downloads = () => proxy.asked.filter((asked) => asked.includes('/download')).length
  await t.rejects(depot.downloadFile(RELEASE, file, { key: 'nonsense' }), { code: 'key_malformed' })
  t.equal(downloads(), 0)
  const key = formatPublicKey({ ...makeKeys('acme').publicKey, raw: makeKeys('other').publicKey.raw })
  for (const wrong of [key, formatPublicKey(makeKeys('other').publicKey)]) {
    await t.rejects(depot.downloadFile(RELEASE, file, { key: wrong }), { name: 'DownloadDamaged' })
    t.strictSame(await readdir(folder), ['app.hart.part'])
  }
  await depot.downloadFile(RELEASE, file)
  t.strictSame(await readdir(folder), ['app.hart'])
  t.equal(downloads(), 1)
})

test('an upload is repeated after a broken connection, and once published changes nothing', async (t) => {
  const { depot, file } = await start(t, (asked, nth) =>
    asked === 'POST /api/v1/releases' && nth === 1 ? 'cut' : 'pass',
  )
  const hart = buildHart({ ident: IDENT })
  await writeFile(file, hart.bytes)
  const sizes: number[] = []
  const first = await depot.uploadFile(file, {}, { onProgress: (size) => sizes.push(size) })
  t.match(first, { ident: IDENT, checksum: hart.checksum, promotion: null })
  t.equal(sizes.at(-1), hart.bytes.length)
  t.match(await depot.uploadFile(file, { view: 'union' }), { promotion: { revision: 1, changed: true } })
  t.match(await depot.uploadFile(file, { view: 'union' }), { promotion: { revision: 1, changed: false } })
})

test('an upload of a file that becomes shorter is refused at once, and nothing is published', async (t) => {
  const { started, file } = await start(t)
  const pauses: number[] = []
  const pause = async (ms: number) => pauses.push(ms)
  const depot = new DepotClient({ url: started.url, token: ADMIN_TOKEN, pause })
  t.teardown(async () => depot.close())
  const { bytes } = buildHart({ ident: IDENT, files: [{ path: 'data', content: randomBytes(1_000_000) }] })
  await writeFile(file, bytes)
  const refused = depot.uploadFile(file, {}, { onProgress: () => truncateSync(file, 1_000) })
  await t.rejects(refused, FileChanged)
  await t.rejects(depot.uploadFile(`${file}.none`), { code: 'ENOENT' })
  t.strictSame(pauses, [], 'it is not sent again')
  await t.rejects(depot.getRelease(RELEASE), RequestRefused)
})
