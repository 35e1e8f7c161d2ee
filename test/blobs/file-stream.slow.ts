import { once } from 'node:events'
import { openSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import tap, { test } from 'tap'
import { FileStream } from '../../src/blobs/file-stream.ts'
import { FilesystemStorage } from '../../src/blobs/filesystem.ts'
import { ReadBuffers } from '../../src/blobs/read-buffers.ts'

const SIZE = 4 * 1024 * 1024
const folder = await mkdtemp(join(tmpdir(), 'hart-depot-stream-'))
tap.teardown(() => rm(folder, { recursive: true, force: true }))
const blob = { checksum: 'ab'.repeat(32), sizeBytes: SIZE }
const storage = new FilesystemStorage(folder)
await mkdir(dirname(storage.placeOf(blob.checksum)))
await writeFile(storage.placeOf(blob.checksum), Buffer.alloc(SIZE))

/** Returns both ends of a connection. */
async function connected(t: {
  teardown(fn: () => void): unknown
}): Promise<{ server: Socket; client: Socket }> {
  const listening = createServer().listen(0, '127.0.0.1')
  await once(listening, 'listening')
  const taken = once(listening, 'connection') as Promise<[Socket]>
  const client = connect((listening.address() as AddressInfo).port, '127.0.0.1')
  const [server] = await taken
  listening.close()
  t.teardown(() => client.destroy())
  t.teardown(() => server.destroy())
  return { server, client }
}

test('a client that leaves at once takes no buffers from later clients', async (t) => {
  const left = await connected(t)
  for (let n = 0; n < 40; n += 1) {
    const stream = await storage.open(blob)
    stream.pipe(left.server)
    stream.on('error', () => undefined)
    stream.destroy()
    await once(stream, 'close')
    await new Promise(setImmediate)
  }
  const { server, client } = await connected(t)
  const sizes: number[] = []
  const write = server.write.bind(server) as (piece: Buffer, done: () => void) => boolean
  server.write = ((piece: Buffer, done: () => void) => {
    sizes.push(piece.length)
    return write(piece, done)
  }) as typeof server.write
  ;(await storage.open(blob)).pipe(server)
  client.resume()
  await once(client, 'end')
  t.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    SIZE,
  )
  t.ok(Math.max(...sizes) > 64 * 1024, `pieces of ${Math.max(...sizes)} bytes`)
})

test('a stream that is destroyed during its last write returns its buffers once', async (t) => {
  const { server } = await connected(t)
  const writes: (() => void)[] = []
  server.write = ((_piece: Buffer, done: () => void) => writes.push(done) > 0) as typeof server.write
  const pool = new ReadBuffers()
  const fd = openSync(storage.placeOf(blob.checksum), 'r')
  const stream = new FileStream(fd, { checksum: blob.checksum, start: 0, end: 9, pool })
  stream.pipe(server)
  while (writes.length === 0) await new Promise(setImmediate)
  t.equal(pool.held, 2)
  stream.destroy()
  await once(stream, 'close')
  writes[0]?.()
  await new Promise(setImmediate)
  t.equal(pool.held, 0)
})
