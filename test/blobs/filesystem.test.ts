import {
  access,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  rm,
  symlink,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'tap'
import type { Test } from 'tap'
import { ClaimsInMemory } from '../../src/blobs/claims.ts'
import { DiskRoom } from '../../src/blobs/disk-space.ts'
import { FilesystemStorage } from '../../src/blobs/filesystem.ts'
import { openStorage } from '../../src/blobs/open.ts'
import { FolderSyncs } from '../../src/blobs/sync.ts'
import { Spool } from '../../src/blobs/spool.ts'
import type { ListedPage } from '../../src/blobs/storage.ts'
import { put, storageContract } from './contract.ts'
import type { StorageUnderTest } from './contract.ts'

const CHECKSUM = `ab${'0'.repeat(62)}`
const needed = () => Promise.resolve(true)
const unneeded = () => Promise.resolve(false)

storageContract(test, 'the file system', async (t): Promise<StorageUnderTest> => {
  const { folder, storage, spool } = await open(t)
  return {
    storage,
    other: new FilesystemStorage(folder),
    spool,
    async openReaders() {
      const links = (await readdir('/proc/self/fd')).map((fd) =>
        readlink(`/proc/self/fd/${fd}`).catch(() => ''),
      )
      return (await Promise.all(links)).filter((link) => link.startsWith(folder)).length
    },
    resize: (checksum, sizeBytes) => truncate(storage.placeOf(checksum), sizeBytes),
    async lock(checksum) {
      // A link in a circle, since root may read every file.
      await unlink(storage.placeOf(checksum))
      await symlink(storage.placeOf(checksum), storage.placeOf(checksum))
    },
  }
})

async function scratch(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function open(t: Test, { isNeeded = needed }: { isNeeded?: () => Promise<boolean> } = {}) {
  const folder = await scratch(t)
  const opened = await openStorage({ dataFolder: join(folder, '..'), blobFolder: folder })
  t.teardown(opened.close)
  const { storage, spool } = opened
  return { folder, storage, spool, claims: new ClaimsInMemory(storage, isNeeded) }
}

async function spooled(spool: Spool, text: string): Promise<string> {
  const file = spool.newFile()
  await using written = await file.create()
  await written.appendFile(text)
  return file.path
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
}

test('a file that becomes shorter while it is read is damaged', async (t) => {
  const { storage, spool } = await open(t)
  const blob = await put({ storage, spool }, Buffer.alloc(16 * 1024 * 1024))
  const stream = await storage.open(blob)
  await once(stream, 'readable')
  stream.on('error', () => undefined) // the error may come before somebody reads on
  await truncate(storage.placeOf(blob.checksum), 1024)
  await t.rejects(buffer(stream), { code: 'BLOB_UNREADABLE', damage: 'of another size' })
})

test('opening removes the files that a crash left in the spool, and keeps the blobs', async (t) => {
  const { folder, storage, spool } = await open(t)
  await storage.put(await spooled(spool, 'kept'), CHECKSUM)
  await spooled(spool, 'left by a crash')
  const after = await openStorage({ dataFolder: join(folder, '..'), blobFolder: folder })
  t.teardown(after.close)
  t.same(await filesIn(folder), [CHECKSUM])
  t.match(await after.storage.head(CHECKSUM), { sizeBytes: 4 })
})

test('a folder of blobs outside the data folder has one depot', async (t) => {
  const folder = await scratch(t)
  const places = { dataFolder: join(folder, 'data'), blobFolder: join(folder, 'elsewhere') }
  const opened = await openStorage(places)
  await t.rejects(openStorage(places), { code: 'data_in_use' })
  await opened.close()
  await (await openStorage(places)).close()
})

test('a blob that no row needs is removed when the last upload releases it', async (t) => {
  const { folder, storage, spool, claims } = await open(t, { isNeeded: unneeded })
  const [one, two] = [await spooled(spool, 'same'), await spooled(spool, 'same')]
  await Promise.all([claims.keep(one, CHECKSUM), claims.keep(two, CHECKSUM)])
  await claims.release(CHECKSUM, 'unknown')
  await t.resolves(storage.head(CHECKSUM), 'the other upload is about to publish it')
  await claims.release(CHECKSUM, 'unknown')
  await t.rejects(storage.head(CHECKSUM), { code: 'BLOB_ABSENT' })
  t.same(await filesIn(folder), [])
})

test('a published blob stays without a look for its row, unless it was forgotten meanwhile', async (t) => {
  let looks = 0
  const isNeeded = async () => {
    looks += 1
    return false
  }
  const { storage, spool, claims } = await open(t, { isNeeded })
  await claims.keep(await spooled(spool, 'same'), CHECKSUM)
  await claims.release(CHECKSUM, 'published')
  await t.resolves(storage.head(CHECKSUM))
  t.equal(looks, 0)

  await claims.keep(await spooled(spool, 'same'), CHECKSUM)
  await claims.forget(CHECKSUM)
  await t.resolves(storage.head(CHECKSUM), 'the upload still claims it')
  await claims.release(CHECKSUM, 'published')
  await t.rejects(storage.head(CHECKSUM), { code: 'BLOB_ABSENT' })

  const [one, two] = [await spooled(spool, 'same'), await spooled(spool, 'same')]
  await Promise.all([claims.keep(one, CHECKSUM), claims.keep(two, CHECKSUM)])
  await claims.release(CHECKSUM, 'unknown')
  await claims.release(CHECKSUM, 'published')
  await t.rejects(storage.head(CHECKSUM), { code: 'BLOB_ABSENT' }, 'the first one may have been the last')
})

test('a claim that ends while another upload stores the same bytes does not remove them', async (t) => {
  const { storage, spool, claims } = await open(t, { isNeeded: unneeded })
  await claims.keep(await spooled(spool, 'same'), CHECKSUM)
  const again = await spooled(spool, 'same')
  await Promise.all([claims.release(CHECKSUM, 'unknown'), claims.keep(again, CHECKSUM)])
  await t.resolves(storage.head(CHECKSUM))
})

test('a blob that cannot be stored is absent, and can be stored later', async (t) => {
  const { folder, storage, spool, claims } = await open(t)
  const path = await spooled(spool, 'some bytes')
  await writeFile(join(folder, 'ab'), 'a file where the folder should be')
  await t.rejects(claims.keep(path, CHECKSUM), { code: 'ENOTDIR' })
  await spool.remove(basename(path))
  t.same(await filesIn(folder), ['ab'])
  await rm(join(folder, 'ab'))
  await mkdir(join(folder, 'ab'))
  await claims.keep(await spooled(spool, 'some bytes'), CHECKSUM)
  t.match(await storage.head(CHECKSUM), { sizeBytes: 10 })
})

async function* failing() {
  yield Buffer.from('some bytes')
  throw new Error('no more')
}

test('a discarded copy of a stream leaves no file, nor does one that fails', async (t) => {
  const { spool } = await open(t)
  const copied = await spool.copy(Readable.from([Buffer.from('some bytes')]))
  t.equal(await readFile(copied.path, 'utf8'), 'some bytes')
  await spool.discard(copied)
  await t.rejects(spool.copy(Readable.from(failing())), /no more/)
  t.strictSame(await spool.list(), [])
})

test('a small blob that cannot be stored leaves no file, and the others are stored', async (t) => {
  const { folder, storage, spool } = await open(t)
  const names = ['aa', 'ab', 'ba'].map((start) => start.padEnd(64, '0'))
  await writeFile(join(folder, 'aa'), 'a file where the folder should be')
  await mkdir(join(folder, 'ab', CHECKSUM, 'a folder'), { recursive: true })
  const [inFile, inFolder, other] = await Promise.allSettled(
    names.map((checksum) => storage.put(spool.newFile().path, checksum, Buffer.from('some bytes'))),
  )
  t.match(inFile, { reason: { code: 'ENOTDIR' } })
  t.match(inFolder, { reason: { code: /^(EISDIR|ENOTEMPTY|EEXIST)$/ } })
  t.match(other, { status: 'fulfilled' })
  t.strictSame(await spool.list(), [])
})

test('a folder of blobs that was removed as empty is created again', async (t) => {
  const { folder, storage, spool } = await open(t)
  await storage.put(await spooled(spool, 'some bytes'), CHECKSUM)
  await rm(join(folder, 'ab'), { recursive: true })
  await storage.put(await spooled(spool, 'some bytes'), CHECKSUM)
  t.match(await storage.head(CHECKSUM), { sizeBytes: 10 })
  const putSmall = () => storage.put(spool.newFile().path, CHECKSUM, Buffer.from('few'))
  await putSmall()
  await rm(join(folder, 'ab'), { recursive: true })
  await putSmall()
  t.match(await storage.head(CHECKSUM), { sizeBytes: 3 })
})

/** Puts a program `sync` first in the PATH that notes where the files are when it runs, and then runs `end`. */
async function replaceSync(t: Test, folder: string, end: string): Promise<() => Promise<string[]>> {
  const programs = await scratch(t)
  const log = join(programs, 'log')
  await writeFile(
    join(programs, 'sync'),
    `#!/bin/sh\necho "$1 $(find ${folder}/spool -type f | wc -l) $(find ${folder}/?? -type f | wc -l)" >> ${log}\n${end}\n`,
    { mode: 0o700 },
  )
  const { PATH } = process.env
  process.env['PATH'] = `${programs}:${PATH}`
  t.teardown(() => (process.env['PATH'] = PATH))
  return async () => (await readFile(log, 'utf8')).trim().split('\n')
}

async function putMany({ storage, spool }: Awaited<ReturnType<typeof open>>): Promise<void> {
  const names = Array.from({ length: 100 }, (_, n) => n.toString(16).padStart(2, '0').padEnd(64, '0'))
  await storage.putAll?.(
    await Promise.all(
      names.map(async (checksum) => ({ spoolPath: await spooled(spool, 'some bytes'), checksum })),
    ),
  )
}

test('many blobs get their names after their bytes are durable, and before the folders are', async (t) => {
  const opened = await open(t)
  const synced = await replaceSync(t, opened.folder, 'exit 0')
  await putMany(opened)
  t.strictSame(await synced(), ['-f 100 0', '-f 0 100'])
})

test('without a program that syncs a file system, many blobs are synced one by one', async (t) => {
  const opened = await open(t)
  const synced = await replaceSync(t, opened.folder, 'exit 1')
  await putMany(opened)
  t.equal((await synced()).length, 2)
  t.strictSame(await opened.spool.list(), [])
})

test('uploads that wait together share one sync of a folder, and later ones get another', async (t) => {
  const syncs = new FolderSyncs()
  const folder = await scratch(t)
  const first = syncs.sync(folder)
  t.equal(syncs.sync(folder), first, 'the first has not begun')
  await Promise.resolve()
  const second = syncs.sync(folder)
  t.not(second, first, 'the first may have missed what came after it began')
  t.equal(syncs.sync(folder), second)
  await Promise.all([first, second])
  await t.rejects(syncs.sync(join(folder, 'absent')), { code: 'ENOENT' })
  await mkdir(join(folder, 'absent'))
  await t.resolves(syncs.sync(join(folder, 'absent')), 'a failure is not kept')
})

test('a folder that was removed while the depot runs is not created again', async (t) => {
  const { folder, storage, spool } = await open(t)
  await rm(folder, { recursive: true })
  await t.rejects(storage.put(spool.newFile().path, CHECKSUM), { code: 'ENOENT' })
  await t.rejects(storage.put(spool.newFile().path, CHECKSUM, Buffer.from('few')), { code: 'ENOENT' })
  await t.rejects(storage.check(), { code: 'ENOENT' })
  await t.rejects(access(folder), { code: 'ENOENT' })
})

test('an upload that fails after another one stored the same bytes leaves them to it', async (t) => {
  const { storage, spool, claims } = await open(t, { isNeeded: unneeded })
  await claims.keep(await spooled(spool, 'same'), CHECKSUM)
  await t.rejects(claims.keep(spool.newFile().path, CHECKSUM), { code: 'ENOENT' })
  t.match(await storage.head(CHECKSUM), { sizeBytes: 4 })
  await claims.release(CHECKSUM, 'unknown')
  await t.rejects(storage.head(CHECKSUM), { code: 'BLOB_ABSENT' })
})

test('files with other names are listed beside the blobs, with their sizes', async (t) => {
  const { folder, storage, spool } = await open(t)
  await storage.put(await spooled(spool, 'some bytes'), CHECKSUM)
  await writeFile(join(folder, 'ab', 'what-is-this'), 'six by')
  await writeFile(join(folder, 'not-a-folder-of-blobs'), '')
  const pages: ListedPage[] = []
  for await (const page of storage.list()) pages.push(page)
  t.strictSame(pages, [
    { checksums: [CHECKSUM], others: [{ place: join(folder, 'ab', 'what-is-this'), sizeBytes: 6 }] },
  ])
})

test('the files of a dead thread are removed from the spool, and no others', async (t) => {
  const { folder, spool } = await open(t)
  const joined = (name: string) => new Spool(join(folder, 'spool'), name)
  await spooled(joined('worker1'), 'half of an upload')
  const left = [await spooled(joined('worker12'), 'of another'), await spooled(spool, 'own')]
  await spool.removeFilesOf('worker1')
  t.strictSame(
    (await spool.list()).map(({ name }) => name).toSorted(),
    left.map((path) => basename(path)).toSorted(),
  )
})

/** Expects room for a byte on the disks of two folders. */
async function expectRoomIn(spool: string, database: string): Promise<void> {
  const room = new DiskRoom({
    config: { database: { engine: 'sqlite', file: join(database, 'depot.sqlite') }, diskReserveBytes: 1 },
    blobs: { spool: new Spool(spool, 'own') },
  })
  await room.expect({ bytes: 1, what: 'a package' })
}

test('an upload needs room on the disk of the spool and on that of the database', async (t) => {
  const roomy = await scratch(t)
  const full = '/proc' // its disk has no bytes
  await expectRoomIn(roomy, roomy)
  await t.rejects(expectRoomIn(full, roomy), { code: 'storage_full' })
  await t.rejects(expectRoomIn(roomy, full), { code: 'storage_full' })
})
