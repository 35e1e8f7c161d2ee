import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { FileStream } from '../../src/blobs/file-stream.ts'

const SIZE = 4 * 1024 * 1024
const folder = await mkdtemp(join(tmpdir(), 'hart-depot-stream-'))
tap.teardown(() => rm(folder, { recursive: true, force: true }))
const path = join(folder, 'file')
await writeFile(path, Buffer.alloc(SIZE))
const range = { start: 0, end: SIZE - 1 }

/** Two ends of a connection. */
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

test('who leaves while the file is opened takes no pieces from those who come after', async (t) => {
  const left = await connected(t)
  for (let n = 0; n < 40; n += 1) {
    const stream = new FileStream(path, range)
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
  new FileStream(path, range).pipe(server)
  client.resume()
  await once(client, 'end')
  t.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    SIZE,
  )
  t.ok(Math.max(...sizes) > 64 * 1024, `pieces of ${Math.max(...sizes)} bytes`)
})
