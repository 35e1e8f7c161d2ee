import { randomBytes } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { findingOf, inspect, verifyBytes } from '../../src/blobs/damage.ts'
import { fileFault } from '../../src/blobs/file-fault.ts'
import { openStorage } from '../../src/blobs/open.ts'
import { HashThreads } from '../../src/hart/hash-threads.ts'
import { put } from './contract.ts'

const fault = (code: string) => fileFault('ab'.repeat(32), Object.assign(new Error(code), { code }))

test('one changed byte of a large blob is found by reading it, and nothing else is', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-test-'))
  const hashes = new HashThreads()
  t.teardown(async () => {
    await hashes.close()
    await rm(folder, { recursive: true, force: true })
  })
  const { storage, spool } = await openStorage({ dataFolder: folder, blobFolder: join(folder, 'blobs') })
  const bytes = randomBytes(5 * 1024 * 1024 + 1)
  const blob = await put({ storage, spool }, bytes)
  let read = 0
  const count = (piece: number) => {
    read += piece
    return Promise.resolve()
  }
  t.strictSame(await verifyBytes(storage, blob, { hashes, onRead: count }), { damage: undefined })
  t.equal(read, bytes.length)

  await using file = await open(storage.placeOf(blob.checksum), 'r+')
  await file.write(Buffer.from([(bytes.at(-1) ?? 0) ^ 1]), 0, 1, bytes.length - 1)
  t.match(await inspect(storage, blob), { damage: undefined })
  t.strictSame(await verifyBytes(storage, blob, { hashes }), { damage: 'of other bytes' })
  const stop = new Error('stopped')
  await t.rejects(verifyBytes(storage, blob, { hashes, onRead: () => Promise.reject(stop) }), stop)
  t.equal(hashes.count, 0)
})

test('errors of the file are damage, and errors of the process are not', async (t) => {
  t.strictSame(findingOf(fault('ENOENT')), { damage: 'missing' })
  for (const code of ['EIO', 'EACCES', 'ELOOP', 'ENOTDIR', 'EISDIR', 'ESTALE'])
    t.strictSame(findingOf(fault(code)), { damage: 'unreadable', reason: code })
  for (const code of ['EMFILE', 'ENFILE', 'ENOMEM', 'EBUSY']) {
    t.match(fault(code), { code: 'BLOB_UNREADABLE', damage: undefined, cause: { code } })
    t.throws(() => findingOf(fault(code)), { code: 'BLOB_UNREADABLE' })
  }
  for (const other of [new Error('a bug'), Object.assign(new Error(), { code: 'ERR_INVALID_ARG_TYPE' })])
    t.equal(fileFault('', other), other)
})
