import { mock } from 'node:test'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'tap'
import { incoming, incomingText } from '../../src/publishing/incoming.ts'

const PACE = { uploadIdleMs: 1_000, bodyGraceMs: 5_000, minBodyBytesPerSecond: 100 }

test('the stream passes on the body and its end', async (t) => {
  t.equal(
    String(await buffer(incoming(Readable.from([Buffer.from('one '), Buffer.from('two')]), 'it', PACE))),
    'one two',
  )
  t.equal(await incomingText(Readable.from([Buffer.from('text')]), 'it', { ...PACE, maxBytes: 4 }), 'text')
})

test('a stalled client is not waited for', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const client = new PassThrough()
  const read = buffer(incoming(client, 'acme/app', PACE))
  client.write('piece')
  await new Promise(setImmediate)
  mock.timers.tick(1_000)
  await t.rejects(read, { code: 'stalled', message: 'no data of acme/app arrived for 1000 ms' })
  t.notOk(client.destroyed, 'the answer has still to go out')
})

test('a client does not count as stalled while the depot does not read', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const client = new PassThrough()
  const relay = incoming(client, 'acme/app', PACE)
  for (let n = 0; n < 10; n += 1) client.write(Buffer.alloc(64 * 1024))
  await new Promise(setImmediate)
  mock.timers.tick(10_000)
  client.end()
  t.equal((await buffer(relay)).length, 640 * 1024)
})

test('a client that is too slow on average is not waited for', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const client = new PassThrough()
  const read = buffer(incoming(client, 'acme/app', { ...PACE, uploadIdleMs: 100_000 }))
  read.catch(() => undefined)
  const send = async (bytes: number) => {
    client.write(Buffer.alloc(bytes))
    await new Promise(setImmediate)
    for (let ms = 0; ms < 900; ms += 10) mock.timers.tick(10)
    await new Promise(setImmediate)
  }
  for (let n = 0; n < 10; n += 1) await send(100) // faster than the minimum
  for (let n = 0; n < 6; n += 1) await send(1)
  t.notOk(client.listenerCount('data') === 0, 'the grace period is not over')
  for (let n = 0; n < 4; n += 1) await send(1)
  await t.rejects(read, {
    code: 'stalled',
    message: /^acme\/app arrives too slowly: 10\d\d bytes in 15\d\d\d ms; the minimum is 100 bytes a second$/,
  })
})

test('a client that leaves is reported, also if it left earlier', async (t) => {
  const leaving = new PassThrough()
  const read = buffer(incoming(leaving, 'acme/app', PACE))
  leaving.write('some')
  leaving.destroy(new Error('aborted'))
  await t.rejects(read, { code: 'length_mismatch', message: 'acme/app ended before its announced end' })
  await t.rejects(buffer(incoming(leaving, 'acme/app', PACE)), { code: 'length_mismatch' })
})

test('a reader that gives up does not destroy the request', async (t) => {
  const client = new PassThrough()
  client.write(Buffer.alloc(100))
  await t.rejects(incomingText(client, 'the key file', { ...PACE, maxBytes: 99 }), {
    code: 'too_large',
    message: 'the key file is larger than 99 bytes',
  })
  t.notOk(client.destroyed)
  client.end()
})

test('a body without a reader may fail without effect', async () => {
  const client = new PassThrough()
  incoming(client, 'the body', PACE)
  client.destroy(new Error('aborted'))
  await new Promise(setImmediate)
})
