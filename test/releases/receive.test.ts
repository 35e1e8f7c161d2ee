import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'tap'
import { readConfig } from '../../src/config.ts'
import { HashThreads } from '../../src/hart/hash-threads.ts'
import { receive } from '../../src/releases/receive.ts'
import { buildHart } from '../support/build-hart.ts'

test('what comes in pieces of a byte is not gathered by the million', async (t) => {
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
  const received = await receive({ config: readConfig({}), hashes }, stream, { path, create }, 'a package')
  t.equal(received.sizeBytes, bytes.length)
  t.ok(Math.max(...batches) <= 1_000, `at most ${Math.max(...batches)} at once`)
})
