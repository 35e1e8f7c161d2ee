import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test } from 'tap'
import type { Test } from 'tap'
import { FilesystemBlobs } from '../../src/blobs/filesystem.ts'
import type { SpoolFile } from '../../src/blobs/filesystem.ts'

const CHECKSUM = `ab${'0'.repeat(62)}`
const needed = () => Promise.resolve(true)
const unneeded = () => Promise.resolve(false)

async function scratch(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function spooled(blobs: FilesystemBlobs, text: string): Promise<SpoolFile> {
  const file = blobs.spool()
  await using written = await file.create()
  await written.appendFile(text)
  return file
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
}

test('a blob that is kept can be read, whole and in part', async (t) => {
  const blobs = await FilesystemBlobs.open(await scratch(t), needed)
  const file = await spooled(blobs, 'some bytes')
  await blobs.keep(file, CHECKSUM)
  await blobs.release(CHECKSUM)
  await blobs.discard(file)
  t.equal(await blobs.look(CHECKSUM, 10), undefined)
  t.equal(String(await buffer(blobs.read(CHECKSUM, { start: 0, end: 9 }))), 'some bytes')
  t.equal(String(await buffer(blobs.read(CHECKSUM, { start: 5, end: 8 }))), 'byte')
  t.equal(await blobs.look(`cd${'0'.repeat(62)}`, 10), 'missing')
})

test('opening empties the spool of what a crash left, and keeps the blobs', async (t) => {
  const folder = await scratch(t)
  const before = await FilesystemBlobs.open(folder, needed)
  await before.keep(await spooled(before, 'kept'), CHECKSUM)
  await spooled(before, 'left by a crash')
  const after = await FilesystemBlobs.open(folder, needed)
  t.same(await filesIn(folder), [CHECKSUM])
  t.equal(await after.look(CHECKSUM, 4), undefined)
})

test('bytes that no row needs go with the last upload that claims them', async (t) => {
  const folder = await scratch(t)
  const blobs = await FilesystemBlobs.open(folder, unneeded)
  const [one, two] = [await spooled(blobs, 'same'), await spooled(blobs, 'same')]
  await Promise.all([blobs.keep(one, CHECKSUM), blobs.keep(two, CHECKSUM)])
  await blobs.release(CHECKSUM)
  t.equal(await blobs.look(CHECKSUM, 4), undefined, 'another upload is about to point to them')
  await blobs.release(CHECKSUM)
  t.equal(await blobs.look(CHECKSUM, 4), 'missing')
  await Promise.all([blobs.discard(one), blobs.discard(two)])
  t.same(await filesIn(folder), [])
})

test('a claim that ends while the same bytes are kept again does not take them away', async (t) => {
  const blobs = await FilesystemBlobs.open(await scratch(t), unneeded)
  await blobs.keep(await spooled(blobs, 'same'), CHECKSUM)
  const again = await spooled(blobs, 'same')
  await Promise.all([blobs.release(CHECKSUM), blobs.keep(again, CHECKSUM)])
  t.equal(await blobs.look(CHECKSUM, 4), undefined)
})

test('a blob that cannot be kept is not there, and not in the way', async (t) => {
  const folder = await scratch(t)
  const blobs = await FilesystemBlobs.open(folder, needed)
  const file = await spooled(blobs, 'some bytes')
  await writeFile(join(folder, 'ab'), 'a file where the folder should be')
  await t.rejects(blobs.keep(file, CHECKSUM), { code: 'ENOTDIR' })
  await blobs.discard(file)
  t.same(await filesIn(folder), ['ab'])
  await rm(join(folder, 'ab'))
  await mkdir(join(folder, 'ab'))
  await blobs.keep(await spooled(blobs, 'some bytes'), CHECKSUM)
  t.equal(await blobs.look(CHECKSUM, 10), undefined)
})

test('a writer that is gone leaves nothing in the spool, and takes nothing of others', async (t) => {
  const folder = await scratch(t)
  const blobs = await FilesystemBlobs.open(folder, unneeded)
  const gone = FilesystemBlobs.join(folder, blobs.claims, 'worker1')
  await spooled(gone, 'half of an upload')
  const other = await spooled(FilesystemBlobs.join(folder, blobs.claims, 'worker12'), 'of another')
  const own = await spooled(blobs, 'own')
  await blobs.sweep('worker1')
  t.same(
    (await readdir(join(folder, 'spool'))).toSorted(),
    [own.path, other.path].map((path) => basename(path)).toSorted(),
  )
})

test('claims of all writers are one', async (t) => {
  const folder = await scratch(t)
  const blobs = await FilesystemBlobs.open(folder, unneeded)
  const joined = FilesystemBlobs.join(folder, blobs.claims, 'worker1')
  await blobs.keep(await spooled(blobs, 'same'), CHECKSUM)
  await joined.keep(await spooled(joined, 'same'), CHECKSUM)
  await blobs.release(CHECKSUM)
  t.equal(await blobs.look(CHECKSUM, 4), undefined)
  await joined.release(CHECKSUM)
  t.equal(await joined.look(CHECKSUM, 4), 'missing')
})
