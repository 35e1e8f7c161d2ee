import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
  const blobs = await FilesystemBlobs.open(await scratch(t))
  const file = await spooled(blobs, 'some bytes')
  await blobs.keep(file, CHECKSUM)
  await blobs.release(CHECKSUM, needed)
  await blobs.discard(file)
  t.equal(await blobs.size(CHECKSUM), 10)
  t.equal(String(await buffer(blobs.read(CHECKSUM, { start: 0, end: 9 }))), 'some bytes')
  t.equal(String(await buffer(blobs.read(CHECKSUM, { start: 5, end: 8 }))), 'byte')
  t.equal(await blobs.size(`cd${'0'.repeat(62)}`), undefined)
})

test('opening empties the spool of what a crash left, and keeps the blobs', async (t) => {
  const folder = await scratch(t)
  const before = await FilesystemBlobs.open(folder)
  await before.keep(await spooled(before, 'kept'), CHECKSUM)
  await spooled(before, 'left by a crash')
  const after = await FilesystemBlobs.open(folder)
  t.same(await filesIn(folder), [CHECKSUM])
  t.equal(await after.size(CHECKSUM), 4)
})

test('bytes that no row needs go with the last upload that claims them', async (t) => {
  const folder = await scratch(t)
  const blobs = await FilesystemBlobs.open(folder)
  const [one, two] = [await spooled(blobs, 'same'), await spooled(blobs, 'same')]
  await Promise.all([blobs.keep(one, CHECKSUM), blobs.keep(two, CHECKSUM)])
  await blobs.release(CHECKSUM, unneeded)
  t.equal(await blobs.size(CHECKSUM), 4, 'another upload is about to point to them')
  await blobs.release(CHECKSUM, unneeded)
  t.equal(await blobs.size(CHECKSUM), undefined)
  await Promise.all([blobs.discard(one), blobs.discard(two)])
  t.same(await filesIn(folder), [])
})

test('a claim that ends while the same bytes are kept again does not take them away', async (t) => {
  const blobs = await FilesystemBlobs.open(await scratch(t))
  await blobs.keep(await spooled(blobs, 'same'), CHECKSUM)
  const again = await spooled(blobs, 'same')
  await Promise.all([blobs.release(CHECKSUM, unneeded), blobs.keep(again, CHECKSUM)])
  t.equal(await blobs.size(CHECKSUM), 4)
})

test('a blob that cannot be kept is not there, and not in the way', async (t) => {
  const folder = await scratch(t)
  const blobs = await FilesystemBlobs.open(folder)
  const file = await spooled(blobs, 'some bytes')
  await writeFile(join(folder, 'ab'), 'a file where the folder should be')
  await t.rejects(blobs.keep(file, CHECKSUM), { code: 'EEXIST' })
  await blobs.discard(file)
  t.same(await filesIn(folder), ['ab'])
  await rm(join(folder, 'ab'))
  await mkdir(join(folder, 'ab'))
  await blobs.keep(await spooled(blobs, 'some bytes'), CHECKSUM)
  t.equal(await blobs.size(CHECKSUM), 10)
})
