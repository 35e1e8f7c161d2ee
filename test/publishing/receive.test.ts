import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'tap'
import { DiskRoom } from '../../src/blobs/disk-space.ts'
import { Spool } from '../../src/blobs/spool.ts'
import { readConfig } from '../../src/config/config.ts'
import { Blake2b } from '../../src/hart/blake2b.ts'
import { HashThreads } from '../../src/hart/hash-threads.ts'
import { receive } from '../../src/publishing/receive.ts'
import { buildHart } from '../support/build-hart.ts'

test('an upload in one-byte pieces does not pile up in memory', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-receive-'))
  const hashes = new HashThreads()
  t.teardown(async () => {
    await hashes.close()
    await rm(folder, { recursive: true, force: true })
  })
  const hart = buildHart({ ident: 'acme/app/1.0.0/20260101120000' })
  const bytes = Buffer.concat([hart.bytes, Buffer.alloc(5_000)])
  const path = join(folder, 'spooled')
  const batches: number[] = []
  const create = async () => {
    const handle = await open(path, 'wx')
    const writev = handle.writev.bind(handle)
    handle.writev = async (pieces) => {
      batches.push(pieces.length)
      return writev(pieces)
    }
    return handle
  }
  const stream = Readable.from(Array.from(bytes, (byte) => Buffer.from([byte])))
  const config = readConfig({})
  const received = await receive(
    { config, hashes, room: new DiskRoom({ config, blobs: { spool: new Spool(folder, 'own') } }) },
    stream,
    {
      path,
      isCreated: false,
      create,
      createWith: () => Promise.reject(new Error('it is written in batches')),
      createNow: () => t.fail('it is written in batches'),
    },
    { what: 'a package', accountId: 1, quotas: [] },
  )
  t.equal(received.sizeBytes, bytes.length)
  t.ok(Math.max(...batches) <= 1_000, `at most ${Math.max(...batches)} at once`)
})

test('accounts take turns at the hash threads', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-receive-'))
  const hashes = new HashThreads()
  t.teardown(async () => {
    await hashes.close()
    await rm(folder, { recursive: true, force: true })
  })
  const large = join(folder, 'large')
  const handle = await open(large, 'wx')
  await handle.truncate(32 * 1024 * 1024)
  await handle.close()
  const path = join(folder, 'small')
  await writeFile(path, 'something small')
  const ended: string[] = []
  const taken = async (file: string, bytes: number, accountId: number) => {
    const digest = await hashes.begin(file, 0, accountId).finish(bytes)
    ended.push(basename(file))
    return digest
  }
  const ofOne = Array.from({ length: 4 }, () => taken(large, 32 * 1024 * 1024, 1))
  const ofAnother = [taken(path, 15, 2), taken(path, 15, 2)]
  t.strictSame(
    new Set(await Promise.all(ofAnother)),
    new Set([new Blake2b().update(Buffer.from('something small')).digest()]),
  )
  t.strictSame(ended, ['small', 'small'])
  t.equal(new Set(await Promise.all(ofOne)).size, 1)
})

test('hash threads end when no upload needed them for a while', async (t) => {
  const ends: (() => void)[] = []
  let cancelled = 0
  const after = (_ms: number, end: () => void) => {
    ends.push(end)
    return () => void (cancelled += 1)
  }
  const hashes = new HashThreads({ after })
  t.teardown(() => hashes.close())
  const path = join(t.testdir({ file: 'something' }), 'file')
  const digest = new Blake2b().update(Buffer.from('something')).digest()
  const both = await Promise.all([1, 2].map((account) => hashes.begin(path, 0, account).finish(9)))
  t.strictSame(both, [digest, digest])
  t.strictSame([hashes.size, ends.length, cancelled], [2, 2, 0])
  t.equal(await hashes.begin(path, 0, 1).finish(9), digest)
  t.strictSame([hashes.size, ends.length, cancelled], [2, 3, 1], 'the end of one was put off')
  for (const end of [ends[0], ends[2]]) end?.()
  t.equal(hashes.size, 0)
  t.equal(await hashes.begin(path, 0, 1).finish(9), digest, 'another thread starts')
})

test('chunks are hashed in order, and moved if they fill their buffers', async (t) => {
  const hashes = new HashThreads()
  t.teardown(() => hashes.close())
  const [first, second] = [Buffer.allocUnsafeSlow(100_000).fill(1), Buffer.alloc(200_000, 2)]
  const part = second.subarray(0, 100_000)
  const expected = new Blake2b().update(first).update(part).digest()
  const hashing = hashes.beginChunks(1)
  const other = hashes.beginChunks(1)
  await Promise.all([hashing.take(first), other.take(Buffer.from('x'))])
  await hashing.take(part)
  t.equal(await hashing.finish(), expected)
  t.equal(await other.finish(), new Blake2b().update(Buffer.from('x')).digest())
  t.strictSame([first.length, part.length], [0, 100_000])
})

test('closing rejects unfinished hashes', async (t) => {
  const hashes = new HashThreads()
  const [hashing, file] = [hashes.beginChunks(1), hashes.begin('/nowhere', 0, 1)]
  const outcomes = Promise.allSettled([hashing.take(Buffer.from('x')), hashing.finish(), file.finish(1)])
  await hashes.close()
  for (const outcome of await outcomes)
    t.match(outcome, { status: 'rejected', reason: { code: 'shutting_down' } })
  t.throws(() => hashes.beginChunks(1), { code: 'shutting_down' })
})

test('an abandoned hash does not block others', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-receive-'))
  const hashes = new HashThreads()
  t.teardown(async () => {
    await hashes.close()
    await rm(folder, { recursive: true, force: true })
  })
  const path = join(folder, 'file')
  await writeFile(path, 'x'.repeat(100_000))
  for (let i = 0; i < 4; i += 1) {
    const forgotten = hashes.begin(path, 0, 1)
    forgotten.advance(100_000)
    forgotten.forget()
    forgotten.forget()
    forgotten.advance(100_000)
  }
  const absent = hashes.begin(join(folder, 'absent'), 0, 1)
  await t.rejects(absent.finish(10), { code: 'ENOENT' })
  t.match(await hashes.begin(path, 0, 1).finish(100_000), /^[0-9a-f]{64}$/)
})
