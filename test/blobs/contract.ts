import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import type { Test } from 'tap'
import type { Spool } from '../../src/blobs/spool.ts'
import { BlobStream } from '../../src/blobs/storage.ts'
import type { BlobRef, BlobStorage } from '../../src/blobs/storage.ts'
import { Blake2b } from '../../src/hart/blake2b.ts'

/**
 * An empty store, and what the contract needs to look at it from outside. The maker closes it with
 * `t.teardown`.
 */
export interface StorageUnderTest {
  readonly storage: BlobStorage
  /** A second client of the same store, as another thread has it. */
  readonly other: BlobStorage
  readonly spool: Spool
  /** The number of descriptors or connections that readers of the store hold now. */
  readonly openReaders: () => Promise<number>
  /** Makes the stored bytes shorter or longer, as a damaged disk may. */
  readonly resize: (checksum: string, sizeBytes: number) => Promise<void>
  /** Makes the store refuse to give a blob that it has. */
  readonly lock: (checksum: string) => Promise<void>
}

const LARGE_BYTES = 3 * 1024 * 1024 + 17
const MANY = 1_001
const MANY_AT_ONCE = 100
const AT_ONCE = 50
const NONE = 'cd'.repeat(32)

/**
 * Tests that a store keeps the contract of {@link BlobStorage}. `test` is that of the file, so that these
 * tests are part of it.
 */
export function storageContract(
  test: Test['test'],
  name: string,
  makeStorage: (t: Test) => Promise<StorageUnderTest>,
): void {
  const claim = (title: string, hold: (t: Test, store: StorageUnderTest) => Promise<void>) => {
    void test(`${name}: ${title}`, async (t) => hold(t, await makeStorage(t)))
  }

  claim(
    'a stored blob is read whole and in ranges, up to both of its ends',
    async (t, { storage, spool }) => {
      const bytes = randomBytes(LARGE_BYTES)
      const blob = await put({ storage, spool }, bytes)
      t.equal((await buffer(await storage.open(blob))).compare(bytes), 0)
      const last = LARGE_BYTES - 1
      for (const [start, end] of [
        [0, 0],
        [last, last],
        [0, last],
        [1, 1],
        [1024 * 1024 - 1, 1024 * 1024],
        [last - 9, last],
      ] as const) {
        const part = await buffer(await storage.open(blob, { start, end }))
        t.equal(part.compare(bytes.subarray(start, end + 1)), 0, `${start}-${end}`)
      }
      t.equal((await buffer(await storage.open(blob, { start: 5, end: 4 }))).length, 0)
    },
  )

  claim('many blobs are stored at once, or each as a whole', async (t, { storage, spool }) => {
    if (storage.putAll === undefined) {
      t.pass('each is stored by itself')
      return
    }
    await storage.putAll([])
    const make = async () => {
      const { path, checksum } = await spooled(spool, randomBytes(100))
      return { spoolPath: path, checksum }
    }
    const blobs = await Promise.all(Array.from({ length: MANY_AT_ONCE }, make))
    await storage.putAll(blobs)
    t.strictSame((await listed(storage)).toSorted(), blobs.map(({ checksum }) => checksum).toSorted())
    t.strictSame(await spool.list(), [])
    const [again, absent] = [await make(), spool.newFile()]
    await t.rejects(storage.putAll([again, { spoolPath: absent.path, checksum: NONE }]))
    for (const checksum of await listed(storage)) t.equal((await storage.head(checksum)).sizeBytes, 100)
    await t.rejects(storage.head(NONE), { code: 'BLOB_ABSENT' })
  })

  claim('small blobs are stored from memory, and leave no file', async (t, { storage, spool }) => {
    const blobs = Array.from({ length: MANY_AT_ONCE }, (_, length) => {
      const bytes = randomBytes(length)
      return { bytes, checksum: checksumOf(bytes), sizeBytes: length }
    })
    const putAll = async () =>
      Promise.all(blobs.map(({ checksum, bytes }) => storage.put(spool.newFile().path, checksum, bytes)))
    await putAll()
    await putAll() // replaces them
    for (const { bytes, ...blob } of blobs)
      t.equal((await buffer(await storage.open(blob))).compare(bytes), 0, `${blob.sizeBytes} bytes`)
    t.strictSame((await listed(storage)).toSorted(), blobs.map(({ checksum }) => checksum).toSorted())
    t.strictSame(await spool.list(), [])
  })

  claim(
    'a small blob is read at once, with the errors of a stream',
    async (t, { storage, spool, resize, lock }) => {
      if (storage.readNow === undefined) {
        t.pass('only streams are read')
        return
      }
      const bytes = randomBytes(100)
      const blob = await put({ storage, spool }, bytes)
      t.equal(storage.readNow(blob).compare(bytes), 0)
      t.throws(() => storage.readNow?.({ checksum: NONE, sizeBytes: 1 }), { code: 'BLOB_ABSENT' })
      await resize(blob.checksum, 99)
      t.throws(() => storage.readNow?.(blob), { code: 'BLOB_UNREADABLE', damage: 'of another size' })
      await resize(blob.checksum, 100)
      await lock(blob.checksum)
      t.throws(() => storage.readNow?.(blob), { code: 'BLOB_UNREADABLE', damage: 'unreadable' })
    },
  )

  claim('an empty blob is a blob', async (t, { storage, spool }) => {
    const blob = await put({ storage, spool }, Buffer.alloc(0))
    t.equal((await storage.head(blob.checksum)).sizeBytes, 0)
    t.equal((await buffer(await storage.open(blob))).length, 0)
    t.strictSame(await listed(storage), [blob.checksum])
  })

  claim('an absent blob is absent for every reader, and for no other reason', async (t, { storage }) => {
    await t.rejects(storage.head(NONE), { code: 'BLOB_ABSENT' })
    await t.rejects(storage.open({ checksum: NONE, sizeBytes: 1 }), { code: 'BLOB_ABSENT' })
    t.strictSame(await listed(storage), [])
    await t.resolves(storage.check())
  })

  claim(
    'a blob that the store does not give is unreadable, not absent',
    async (t, { storage, spool, lock }) => {
      const blob = await put({ storage, spool }, Buffer.from('some bytes'))
      await lock(blob.checksum)
      await t.rejects(storage.head(blob.checksum), { code: 'BLOB_UNREADABLE', reason: /./ })
      await t.rejects(storage.open(blob), { code: 'BLOB_UNREADABLE', reason: /./ })
      t.notMatch(await storage.open(blob).catch(String), storage.placeOf(blob.checksum), 'it names no place')
    },
  )

  claim('a blob of another size is not opened', async (t, { storage, spool, resize, openReaders }) => {
    const blob = await put({ storage, spool }, Buffer.from('some bytes'))
    const before = await openReaders()
    for (const sizeBytes of [9, 11, 0]) {
      await resize(blob.checksum, sizeBytes)
      t.equal((await storage.head(blob.checksum)).sizeBytes, sizeBytes)
      await t.rejects(storage.open(blob), { code: 'BLOB_UNREADABLE', damage: 'of another size' })
      await t.rejects(storage.open(blob, { start: 0, end: 3 }), { code: 'BLOB_UNREADABLE' })
    }
    t.equal(await openReaders(), before)
  })

  claim(
    'a blob that becomes shorter while it is read fails its reader, unless that has the old bytes',
    async (t, { storage, spool, resize }) => {
      const bytes = randomBytes(16 * 1024 * 1024)
      const blob = await put({ storage, spool }, bytes)
      const stream = await storage.open(blob)
      await once(stream, 'readable')
      stream.on('error', () => undefined) // the error may come before somebody reads on
      await resize(blob.checksum, 1024)
      const read = await buffer(stream).catch((error: unknown) => error)
      if (Buffer.isBuffer(read)) t.equal(read.compare(bytes), 0)
      else t.match(read, { code: 'BLOB_UNREADABLE' })
    },
  )

  claim(
    'a reader that stops early, or never begins, holds nothing afterwards',
    async (t, { storage, spool, openReaders }) => {
      const blob = await put({ storage, spool }, randomBytes(LARGE_BYTES))
      const before = await openReaders()
      for (let round = 0; round < 20; round += 1) {
        const unread = await storage.open(blob)
        t.ok(unread instanceof BlobStream && unread.heldBytes >= 0)
        unread.destroy()
        await once(unread, 'close')
        const begun = await storage.open(blob)
        await once(begun, 'readable')
        begun.read(10)
        begun.destroy()
        await once(begun, 'close')
        for await (const piece of await storage.open(blob)) if ((piece as Buffer).length > 0) break
      }
      t.equal((await buffer(await storage.open(blob))).length, LARGE_BYTES)
      t.equal(await openReaders(), before)
    },
  )

  claim(
    'a reader keeps its bytes when the blob is replaced or deleted, or fails',
    async (t, { storage, spool }) => {
      const bytes = randomBytes(16 * 1024 * 1024)
      const blob = await put({ storage, spool }, bytes)
      const stream = await storage.open(blob)
      await once(stream, 'readable')
      await put({ storage, spool }, bytes)
      await storage.delete(blob.checksum)
      const read = await buffer(stream).catch((error: unknown) => error)
      if (Buffer.isBuffer(read)) t.equal(read.compare(bytes), 0)
      else t.match(read, { code: /^BLOB_/ }, 'it may fail, and gives no other bytes')
    },
  )

  claim(
    'puts of the same bytes at the same time all succeed, and leave one blob',
    async (t, { storage, other, spool }) => {
      const bytes = randomBytes(100_000)
      const puts = await Promise.all(
        [storage, other, storage, other, storage, other, storage, other].map((client) =>
          put({ storage: client, spool }, bytes),
        ),
      )
      const [blob = { checksum: '', sizeBytes: 0 }] = puts
      t.strictSame(await listed(other), [blob.checksum])
      t.equal((await buffer(await other.open(blob))).compare(bytes), 0)
    },
  )

  claim('a put replaces a damaged blob, and changes its version', async (t, { storage, spool, resize }) => {
    const bytes = Buffer.from('some bytes')
    const { checksum } = await put({ storage, spool }, bytes)
    const before = await storage.head(checksum)
    t.equal((await storage.head(checksum)).version, before.version)
    await resize(checksum, 3)
    const damaged = await storage.head(checksum)
    t.not(damaged.version, before.version)
    const blob = await put({ storage, spool }, bytes)
    t.not((await storage.head(checksum)).version, damaged.version)
    t.equal(String(await buffer(await storage.open(blob))), 'some bytes')
  })

  claim(
    'a put without its file rejects, stores nothing, and harms nothing',
    async (t, { storage, spool }) => {
      const missing = spool.newFile()
      await t.rejects(storage.put(missing.path, NONE))
      t.strictSame(await listed(storage), [])
      await t.rejects(storage.head(NONE), { code: 'BLOB_ABSENT' })
      const blob = await put({ storage, spool }, Buffer.from('some bytes'))
      await t.rejects(storage.put(missing.path, blob.checksum))
      t.equal(String(await buffer(await storage.open(blob))), 'some bytes')
    },
  )

  claim(
    'a put is seen whole or not at all by whoever reads meanwhile',
    async (t, { storage, other, spool }) => {
      const bytes = randomBytes(LARGE_BYTES)
      const blob = await spooled(spool, bytes)
      const putting = { isOver: false, end: storage.put(blob.path, blob.checksum) }
      void putting.end.finally(() => (putting.isOver = true))
      for (let looks = 0; !putting.isOver || looks < 2; looks += 1) {
        const seen = await other.head(blob.checksum).catch((error: unknown) => error)
        if (seen instanceof Error) t.match(seen, { code: 'BLOB_ABSENT' })
        else t.match(seen, { sizeBytes: LARGE_BYTES })
      }
      await putting.end
      t.equal((await buffer(await other.open(blob))).compare(bytes), 0)
    },
  )

  claim(
    'a deleted blob is gone for every client, and deleting it again succeeds',
    async (t, { storage, other, spool }) => {
      const blob = await put({ storage, spool }, Buffer.from('some bytes'))
      const kept = await put({ storage, spool }, Buffer.from('other bytes'))
      await storage.delete(blob.checksum)
      await other.delete(blob.checksum)
      await storage.delete(NONE)
      for (const client of [storage, other]) {
        await t.rejects(client.head(blob.checksum), { code: 'BLOB_ABSENT' })
        await t.rejects(client.open(blob), { code: 'BLOB_ABSENT' })
        t.strictSame(await listed(client), [kept.checksum])
      }
      t.strictSame(await put({ storage, spool }, Buffer.from('some bytes')), blob)
    },
  )

  claim('every one of many blobs is listed once, in several pages', async (t, { storage, spool }) => {
    // Made-up checksums that begin alike, so that no order or folder ends a page.
    const checksums = Array.from({ length: MANY }, (_, n) => `abab${n.toString(16).padStart(60, '0')}`)
    for (let at = 0; at < MANY; at += AT_ONCE)
      await Promise.all(
        checksums.slice(at, at + AT_ONCE).map(async (checksum) => {
          const { path } = await spooled(spool, Buffer.from(checksum))
          await storage.put(path, checksum)
        }),
      )
    let pages = 0
    const found: string[] = []
    for await (const page of storage.list()) {
      pages += 1
      found.push(...page.checksums)
      t.strictSame(page.others, [])
    }
    t.ok(pages > 1, `${pages} pages`)
    t.strictSame(found.toSorted(), checksums.toSorted())
    for await (const page of storage.list()) if (page.checksums.length > 0) break
  })

  claim('a put takes the spooled file away or leaves it to its caller', async (t, { storage, spool }) => {
    const file = await spooled(spool, Buffer.from('some bytes'))
    await storage.put(file.path, file.checksum)
    await spool.discard(file)
    await spool.discard(file)
    t.strictSame(await spool.list(), [])
    await t.rejects(stat(file.path), { code: 'ENOENT' })
    t.equal(String(await buffer(await storage.open(file))), 'some bytes')
  })
}

type Places = Pick<StorageUnderTest, 'storage' | 'spool'>

/** Stores bytes as an upload does. */
export async function put({ storage, spool }: Places, bytes: Buffer): Promise<BlobRef> {
  const file = await spooled(spool, bytes)
  await storage.put(file.path, file.checksum)
  await spool.discard(file)
  return { checksum: file.checksum, sizeBytes: file.sizeBytes }
}

async function spooled(spool: Spool, bytes: Buffer): Promise<BlobRef & ReturnType<Spool['newFile']>> {
  const file = spool.newFile()
  await using handle = await file.create()
  await handle.appendFile(bytes)
  return { ...file, checksum: checksumOf(bytes), sizeBytes: bytes.length }
}

function checksumOf(bytes: Buffer): string {
  const hash = new Blake2b()
  hash.update(bytes)
  return hash.digest()
}

async function listed(storage: BlobStorage): Promise<string[]> {
  const checksums: string[] = []
  for await (const page of storage.list()) checksums.push(...page.checksums)
  return checksums.toSorted()
}
