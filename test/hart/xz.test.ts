import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { getModule, initModule } from 'node-liblzma/wasm'
import { test } from 'tap'
import { PayloadFile } from '../../src/hart/payload-file.ts'
import { decodeXz, DECODE_WINDOW_BYTES } from '../../src/hart/xz-decoder.ts'
import type { XzOutput } from '../../src/hart/xz-decoder.ts'
import { blocksOf, walkXz } from '../../src/hart/xz.ts'
import type { XzShape } from '../../src/hart/xz.ts'
import { buildXz, joinXz } from '../support/build-hart.ts'
import { isExhaustive } from '../support/random.ts'

function fixture(name: string): Buffer {
  return readFileSync(new URL(`../fixtures/xz/${name}`, import.meta.url))
}

function walk(folder: string, xz: Buffer, maxUnpackedBytes = 2 ** 40): XzShape {
  const path = join(folder, 'walked.xz')
  writeFileSync(path, xz)
  using file = new PayloadFile(path, { payloadOffset: 0, windowBytes: 4096 })
  return walkXz(file, maxUnpackedBytes)
}

/**
 * Decodes until `enough` bytes came out. Skips blocks that unpack to as many bytes as the next of `skipped`.
 */
async function decode(
  folder: string,
  xz: Buffer,
  { enough = Infinity, skipped = [] }: { enough?: number; skipped?: readonly number[] } = {},
): Promise<Buffer> {
  walk(folder, xz)
  using file = new PayloadFile(join(folder, 'walked.xz'), {
    payloadOffset: 0,
    windowBytes: DECODE_WINDOW_BYTES,
  })
  const pieces: Buffer[] = []
  let length = 0
  const skippable = [...skipped]
  await decodeXz(file, blocksOf(file), {
    write(bytes) {
      pieces.push(Buffer.from(bytes))
      length += bytes.length
      return length >= enough ? 'enough' : 'more'
    },
    skip: (bytes) => skippable[0] === bytes && skippable.shift() !== undefined,
  })
  return Buffer.concat(pieces)
}

const failing: XzOutput = {
  write() {
    throw new Error('output failed')
  },
  skip: () => false,
}

const possums = fixture('possums-9.tar.xz')

test('files with several blocks, the largest dictionary and both checks unpack to the same bytes', async (t) => {
  const tar = await decode(t.testdir(), possums)
  t.equal(tar.length, 10_240)
  t.strictSame(await decode(t.testdir(), fixture('possums-blocks.tar.xz')), tar)
  t.strictSame(await decode(t.testdir(), buildXz(tar)), tar)
})

test('the tail is the fewest blocks that unpack to 4 MiB', (t) => {
  const [small, large] = [1, 4].map((size) => buildXz(Buffer.alloc(size * 1024 * 1024))) as [Buffer, Buffer]
  const sizes = (...blocks: Buffer[]) =>
    walk(t.testdir(), joinXz(...blocks)).tail.map(({ unpackedBytes }) => unpackedBytes / 1024 / 1024)
  t.strictSame(sizes(small, small, small, large), [4])
  t.strictSame(sizes(large, small), [4, 1])
  t.strictSame(sizes(small, small, small, small, small), [1, 1, 1, 1])
  t.end()
})

test('consecutive blocks unpack as one', async (t) => {
  const xz = joinXz(buildXz(Buffer.from('one')), buildXz(), buildXz(Buffer.from(' two')))
  t.equal((await decode(t.testdir(), xz)).toString(), 'one two')
})

test('blocks that the output skips are not decoded', async (t) => {
  const middle = Buffer.alloc(200_000, 'damaged')
  const damaged = buildXz(middle)
  damaged.writeUInt8(damaged.readUInt8(100) ^ 1, 100)
  for (const after of [buildXz(), buildXz(Buffer.from(' two')), buildXz(Buffer.alloc(65_536, 2))]) {
    const xz = joinXz(buildXz(Buffer.from('one')), damaged, after)
    const rest = await decode(t.testdir(), after)
    t.ok(
      (await decode(t.testdir(), xz, { skipped: [200_000] })).equals(
        Buffer.concat([Buffer.from('one'), rest]),
      ),
    )
    await t.rejects(decode(t.testdir(), xz), { code: 'hart_malformed', message: /damaged in its data/ })
  }
})

test('a decoder stops on request and can be used again', async (t) => {
  const zeros = fixture('zeros-64MiB.xz')
  for (let i = 0; i < 3; i += 1) t.ok((await decode(t.testdir(), zeros, { enough: 1 })).length <= 65536)
  t.equal((await decode(t.testdir(), buildXz(Buffer.from('after')))).toString(), 'after')
})

test('a failing output does not affect the next file', async (t) => {
  const folder = t.testdir()
  walk(folder, possums)
  using file = new PayloadFile(join(folder, 'walked.xz'), {
    payloadOffset: 0,
    windowBytes: DECODE_WINDOW_BYTES,
  })
  await t.rejects(decodeXz(file, blocksOf(file), failing), { message: 'output failed' })
  t.equal((await decode(t.testdir(), possums)).length, 10_240)
})

test('the walk computes the unpacked size without unpacking', (t) => {
  t.equal(walk(t.testdir(), fixture('zeros-64MiB.xz')).unpackedBytes, 64 * 1024 * 1024)
  t.end()
})

test('a file that unpacks to more than allowed is refused without unpacking it', (t) => {
  t.throws(() => walk(t.testdir(), fixture('zeros-64MiB.xz'), 64 * 1024 * 1024 - 1), {
    code: 'hart_malformed',
    message: 'its archive of 9892 bytes unpacks to more than 67108863',
  })
  t.end()
})

test('a file truncated at any byte is refused', (t) => {
  const folder = t.testdir()
  for (const xz of [possums, fixture('possums-blocks.tar.xz'), buildXz(Buffer.alloc(70_000))]) {
    const step = xz.length > 10_000 ? 501 : isExhaustive ? 1 : 7
    for (let length = 0; length < xz.length; length += step) {
      t.throws(
        () => walk(folder, xz.subarray(0, length)),
        { code: 'hart_malformed', message: /cut off|damaged/ },
        `after ${length}`,
      )
    }
  }
  t.end()
})

test('a change of any byte of the structure is refused', async (t) => {
  const folder = t.testdir()
  const xz = buildXz(Buffer.from('content'))
  for (let at = 0; at < xz.length; at += 1) {
    const damaged = Buffer.from(xz)
    damaged.writeUInt8(damaged.readUInt8(at) ^ 0x10, at)
    await t.rejects(async () => decode(folder, damaged), { code: 'hart_malformed' }, `at ${at}`)
  }
})

const dictionaries: [string, number, boolean][] = [
  ['64 MiB', 28, true],
  ['96 MiB', 29, false],
  ['1.5 GiB', 37, false],
  ['4 GiB', 40, false],
]

for (const [size, code, fits] of dictionaries) {
  test(`a dictionary of ${size} is ${fits ? 'accepted' : 'refused'}`, (t) => {
    const xz = buildXz(Buffer.from('content'))
    xz.writeUInt8(code, 16)
    xz.writeUInt32LE(crc32(xz.subarray(12, 20)), 20)
    if (fits) t.doesNotThrow(() => walk(t.testdir(), xz))
    else
      t.throws(() => walk(t.testdir(), xz), {
        code: 'hart_malformed',
        message: /needs a dictionary of \d+ bytes.*the limit is 67108864/,
      })
    t.end()
  })
}

const refused: [string, Buffer, RegExp][] = [
  ['another format', Buffer.from('PK\x03\x04 is a zip file'), /not an xz file/],
  [
    'bytes after its end',
    Buffer.concat([possums, Buffer.from('and more')]),
    /8 extra bytes follow its compressed archive/,
  ],
  [
    'a text after its end',
    Buffer.concat([possums, Buffer.from('and much more')]),
    /13 extra bytes follow its compressed archive/,
  ],
  [
    'a zero after its end',
    Buffer.concat([possums, Buffer.alloc(1)]),
    /1 extra bytes follow its compressed archive/,
  ],
  [
    'zeros by fours after its end',
    Buffer.concat([possums, Buffer.alloc(8)]),
    /8 extra bytes follow its compressed archive/,
  ],
  [
    'a second stream',
    Buffer.concat([possums, buildXz(Buffer.from('more'))]),
    /\d+ extra bytes follow its compressed archive/,
  ],
  [
    'a second stream behind zeros',
    Buffer.concat([possums, Buffer.alloc(4), buildXz()]),
    /\d+ extra bytes follow its compressed archive/,
  ],
  ['a filter for x86 programs', fixture('possums-x86.tar.xz'), /filter other than LZMA2/],
  ['a check that nobody uses', fixture('possums-sha256.tar.xz'), /unsupported integrity check \(10\)/],
]

for (const [what, xz, why] of refused) {
  test(`refuses ${what}`, (t) => {
    t.throws(() => walk(t.testdir(), xz), { code: 'hart_malformed', message: why })
    t.end()
  })
}

test('a decoder that gets no memory for its state gives back its buffers', async (t) => {
  await initModule()
  const module = getModule()
  const reserved = [200, 65536, 65536].map((bytes) => module._malloc(bytes))
  const filling: number[] = []
  t.teardown(() => filling.forEach((address) => module._free(address)))
  for (const bytes of [2 ** 20, 2 ** 16, 2 ** 12, 2 ** 8, 2 ** 4])
    for (let at = module._malloc(bytes); at !== 0; at = module._malloc(bytes)) filling.push(at)
  for (const address of reserved) module._free(address)

  await t.rejects(decode(t.testdir(), buildXz(Buffer.from('content'))), { name: 'LZMAMemoryError' })
  const again = [200, 65536, 65536].map((bytes) => module._malloc(bytes))
  filling.push(...again.filter((address) => address !== 0))
  t.notOk(again.includes(0), 'there is room for another stream and its buffers')
})
