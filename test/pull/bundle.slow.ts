import { readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { formatIdent } from '../../src/package/ident.ts'
import type { BuiltHart } from '../support/build-hart.ts'
import { bytesOf, latestIn } from '../support/copies/import.ts'
import {
  LIB,
  NEWER,
  TOOL,
  pullFrom,
  saveFrom,
  startDestination,
  startPullSource,
} from '../support/copies/pull.ts'
import { startProxy } from '../support/http/proxy.ts'
import { scratchFolder } from '../support/run-cli.ts'

const fileOf = (folder: string, { ident, target }: BuiltHart) =>
  join(folder, 'harts', formatIdent(ident), `${target}.hart`)

test('a saved view can be pulled without its source', async (t) => {
  const { source, newer, lib, tool } = await startPullSource(t)
  const folder = join(await scratchFolder(t), 'carried', 'delivered')
  const { saved, failures } = await saveFrom(source.url, folder)
  t.strictSame(failures, [])
  t.match(saved, { releases: 3 })
  t.strictSame((await readdir(folder)).toSorted(), ['depot.key', 'harts', 'lockfile'])
  for (const hart of [newer, lib, tool]) t.ok((await readFile(fileOf(folder, hart))).equals(hart.bytes))
  const destination = await startDestination(t, source)
  await source.close()

  const { pulled } = await pullFrom(folder, destination)
  t.match(pulled, { origins: 2, keys: 2, releases: 3, promotion: { revision: 1, changed: true } })
  for (const hart of [newer, lib, tool]) t.ok((await bytesOf(destination, hart)).equals(hart.bytes))
  t.strictSame(await latestIn(destination, 'delivered'), [`${NEWER} for x86_64-linux`])
  t.match(
    await pullFrom(join(folder, 'lockfile'), destination),
    { pulled: { releases: 0, promotion: { changed: false } }, failures: [] },
    'the path of the lockfile works too',
  )
})

/** The source of tests that do not change it. */
const shared = await startPullSource(tap)

test('a repeated save fetches only missing and damaged packages', async (t) => {
  const { source, newer, lib, tool } = shared
  const folder = await scratchFolder(t)
  await saveFrom(source.url, folder, { at: '1' })
  const proxy = await startProxy(t, source.url, () => 'pass')
  const fetched = () => proxy.asked.filter((what) => what.includes('/download')).length
  t.match((await saveFrom(proxy.url, folder)).saved, { releases: 2 })
  t.equal(fetched(), 2)
  t.match((await saveFrom(proxy.url, folder)).saved, { releases: 0 })
  t.equal(fetched(), 2)

  await rm(fileOf(folder, newer))
  await writeFile(fileOf(folder, lib), lib.bytes.subarray(1))
  await writeFile(fileOf(folder, tool), Buffer.concat([tool.bytes.subarray(0, -1), Buffer.from('?')]))
  t.match((await saveFrom(proxy.url, folder)).saved, { releases: 3, failures: 0 })
  for (const hart of [newer, lib, tool]) t.ok((await readFile(fileOf(folder, hart))).equals(hart.bytes))
})

test('an incomplete save keeps the earlier lockfile and leaves no partial file', async (t) => {
  const { source, newer } = shared
  const folder = await scratchFolder(t)
  await saveFrom(source.url, folder, { at: '1' })
  const before = await readFile(join(folder, 'lockfile'), 'utf8')
  const proxy = await startProxy(t, source.url, (what) =>
    what.includes(`${NEWER}/download`) ? { status: 404 } : 'pass',
  )
  const { saved, failures } = await saveFrom(proxy.url, folder)
  t.match(failures, [new RegExp(`^${NEWER} for x86_64-linux: GET .* answered 404`)])
  t.match(saved, { failures: 1 })
  t.equal(await readFile(join(folder, 'lockfile'), 'utf8'), before)
  await t.rejects(stat(fileOf(folder, newer)), { code: 'ENOENT' })
})

test('damaged and missing files of a bundle are reported and not uploaded, and nothing is promoted', async (t) => {
  const { source, newer, lib, tool } = shared
  const folder = await scratchFolder(t)
  await saveFrom(source.url, folder)
  const destination = await startDestination(t, source)
  await writeFile(fileOf(folder, newer), Buffer.concat([newer.bytes.subarray(0, -1), Buffer.from('?')]))
  await writeFile(fileOf(folder, lib), Buffer.concat([lib.bytes, Buffer.from('and more')]))
  await rm(fileOf(folder, tool))
  const { pulled, failures } = await pullFrom(folder, destination)
  t.match(failures, [
    new RegExp(
      `^${NEWER} for x86_64-linux: the package is refused: its checksum should be ${newer.checksum}`,
    ),
    new RegExp(`^${LIB} for x86_64-linux: the package is refused: it should have ${lib.bytes.length} bytes`),
    new RegExp(`^${TOOL} for x86_64-linux: there is no file .*/harts/tools/tool/`),
  ])
  t.match(pulled, { releases: 0, promotion: undefined })
  t.strictSame(await latestIn(destination, 'delivered'), [])
  await saveFrom(source.url, folder)
  t.match((await pullFrom(folder, destination)).pulled, { releases: 3, promotion: { revision: 1 } })
})

test('a folder without a lockfile and a missing path are refused', async (t) => {
  const destination = await startDestination(t)
  const folder = await scratchFolder(t)
  await t.rejects(pullFrom(folder, destination), {
    code: 'not_found',
    message: /there is no lockfile /,
  })
  await t.rejects(pullFrom(join(folder, 'elsewhere'), destination), {
    code: 'not_found',
    message: /neither a folder nor a lockfile/,
  })
  await writeFile(join(folder, 'lockfile'), 'x'.repeat(100))
  await t.rejects(pullFrom(folder, destination), { code: 'lockfile_malformed' })
})
