import { once } from 'node:events'
import { registerHooks } from 'node:module'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'tap'
import { S3Stream } from '../../src/blobs/s3/stream.ts'
import { loadSdk } from '../../src/blobs/s3/sdk.ts'
import { ByteBudget } from '../../src/blobs/s3/byte-budget.ts'

const BYTES = Buffer.from('0123456789')
const BLOB = { checksum: 'ab'.repeat(32), start: 0, end: BYTES.length - 1 }
const TAG = { tag: 'one', sizeBytes: BYTES.length }
const never = () => Promise.reject(new Error('it was opened again'))
/** A body that sends some bytes, and then fails or ends early. */
const partOf = (start: number, end: number, error?: Error) =>
  Readable.from(
    (function* () {
      yield BYTES.subarray(start, end)
      if (error !== undefined) throw error
    })(),
    { objectMode: false },
  )

test('a read goes on at the next byte after an error and after an early end', async (t) => {
  const starts: number[] = []
  const stream = new S3Stream({
    ...BLOB,
    object: { ...TAG, body: partOf(0, 3, new Error('ECONNRESET')) },
    async reopen(start) {
      starts.push(start)
      return { ...TAG, body: partOf(start, starts.length === 1 ? 6 : BYTES.length) }
    },
  })
  t.equal(String(await buffer(stream)), String(BYTES))
  t.strictSame(starts, [3, 6])
})

test('a service that stops sending is asked again', async (t) => {
  const silent = new PassThrough()
  silent.write('012')
  const stream = new S3Stream({
    ...BLOB,
    object: { ...TAG, body: silent },
    reopen: async (start) => ({ ...TAG, body: partOf(start, BYTES.length) }),
    idleMs: 1,
  })
  t.equal(String(await buffer(stream)), String(BYTES))
  t.ok(silent.destroyed)
})

test('a slow reader is not a silent service', async (t) => {
  const body = new PassThrough()
  body.write('012')
  const stream = new S3Stream({ ...BLOB, object: { ...TAG, body }, reopen: never, idleMs: 60_000 })
  await once(stream, 'readable')
  t.equal(String(stream.read(3)), '012')
  body.end('3456789')
  t.equal(String(await buffer(stream)), '3456789')
})

test('a connection that is cut while nobody reads is opened again when somebody does', async (t) => {
  const body = new PassThrough()
  body.write(Buffer.alloc(64 * 1024)) // as much as the stream takes ahead
  const starts: number[] = []
  const end = 64 * 1024
  const stream = new S3Stream({
    ...BLOB,
    end,
    object: { ...TAG, body },
    async reopen(start) {
      starts.push(start)
      return { ...TAG, body: Readable.from([Buffer.alloc(1)], { objectMode: false }) }
    },
  })
  await once(stream, 'readable')
  body.destroy()
  await once(body, 'close')
  t.strictSame(starts, [], 'it would only be cut again')
  t.equal((await buffer(stream)).length, end + 1)
  t.strictSame(starts, [end])
})

test('a replaced object and surplus bytes fail the read', async (t) => {
  const replaced = new S3Stream({
    ...BLOB,
    object: { ...TAG, body: partOf(0, 3) },
    reopen: async (start) => ({ ...TAG, tag: 'two', body: partOf(start, BYTES.length) }),
  })
  await t.rejects(buffer(replaced), { code: 'BLOB_UNREADABLE', reason: /replaced/ })
  const surplus = new S3Stream({ ...BLOB, end: 4, object: { ...TAG, body: partOf(0, 10) }, reopen: never })
  await t.rejects(buffer(surplus), { code: 'BLOB_UNREADABLE', reason: /more bytes/ })
})

test('a reader that leaves closes the connection', async (t) => {
  const body = new PassThrough()
  const stream = new S3Stream({ ...BLOB, object: { ...TAG, body }, reopen: never })
  stream.destroy()
  await once(stream, 'close')
  t.ok(body.destroyed)
})

test('a budget lets operations begin in their order, when there is room', async (t) => {
  const budget = new ByteBudget(10)
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const begin = (name: string, bytes: number) =>
    budget.with(bytes, () => {
      begun.push(name)
      return new Promise<void>((resolve) => ends.set(name, resolve))
    })
  const all = [begin('a', 6), begin('b', 6), begin('c', 1)]
  t.strictSame(begun, ['a'], 'c waits for b')
  ends.get('a')?.()
  await all[0]
  await Promise.resolve()
  t.strictSame(begun, ['a', 'b', 'c'])
  ends.get('b')?.()
  ends.get('c')?.()
  await Promise.all(all)
  t.equal(await budget.with(10, async () => 'all of it is free again'), 'all of it is free again')
})

test('without the AWS SDK, the depot says what to install', async (t) => {
  const hooks = registerHooks({
    resolve(name, context, next) {
      if (!name.startsWith('@aws-sdk/')) return next(name, context)
      throw Object.assign(new Error(`Cannot find package ${name}`), { code: 'ERR_MODULE_NOT_FOUND' })
    },
  })
  t.teardown(async () => hooks.deregister())
  await t.rejects(loadSdk(), {
    code: 'invalid_request',
    message: /npm install @aws-sdk\/client-s3@3\.\d+\.0 @aws-sdk\/s3-request-presigner@3/,
  })
})
