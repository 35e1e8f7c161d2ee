import { crc32 } from 'node:zlib'
import { DepotError } from '../errors.ts'
import type { Payload } from './payload-file.ts'

// The xz container. The payload of a package is one stream, as `hab` has always written it. A stream has any
// number of blocks (`xz -T`, pixz and 7z write many), and a block is a sequence of LZMA2 chunks of at most 64
// KiB, each of which unpacks to at most 2 MiB. The format allows more streams after the first, with multiples
// of four zeros between them (`cat a.xz b.xz`). Some readers stop after the first stream and others continue,
// so they would read different packages from one file: the depot refuses it.
//
//   stream   fd 37 7a 58 5a 00 | 00 check | crc32    blocks    index    crc32 | backward size / 4 - 1 (4) | 00 check | 59 5a
//   block    header: size / 4 - 1 (1) | flags | [packed] | [unpacked] | filters | zeros | crc32    chunks    zeros to a 4th    check
//   index    00 | count | (unpadded, unpacked) of each block | zeros to a 4th | crc32               numbers: 7 bits a byte, low first
//   chunk    00                                    end of the block
//            01, 02 | size - 1 (2)                 stored
//            1rr uuuuu | (2) | packed - 1 (2) | [properties, if r >= 2]                             uuuuu and the next two: unpacked - 1
//
// Each chunk header has the unpacked size. So the depot walks from header to header before it decodes
// anything: at the price of a few bytes in every 64 KiB, it refuses a file that is truncated, has other data
// at its end, unpacks to too much or needs too large a dictionary. The decoder sees the same headers, and
// cannot produce more than they say.

/** The sizes in an xz file that can be known without decoding it. */
export interface XzShape {
  /** The unpacked size of the file. */
  readonly unpackedBytes: number
  /**
   * The last blocks: the fewest that unpack to {@link TAIL_BYTES} or more, but at most {@link
   * MAX_TAIL_BLOCKS}.
   */
  readonly tail: readonly XzBlock[]
}

/** The metafiles of nearly all packages fit into this size, even with a list of fifty thousand files. */
const TAIL_BYTES = 4 * 1024 * 1024
const MAX_TAIL_BLOCKS = 4

/** The dictionary of `xz -9`. `hab` packs with -6, which needs 8 MiB; the format allows 4 GiB. */
export const MAX_DICTIONARY_BYTES = 64 * 1024 * 1024

/**
 * Checks the structure of an xz file without decoding it. Throws `hart_malformed` if it is not exactly one xz
 * stream, unpacks to more than `maxUnpackedBytes`, or has an integrity check, a filter or a dictionary that
 * the depot does not accept.
 */
export function walkXz(file: Payload, maxUnpackedBytes: number): XzShape {
  let unpackedBytes = 0
  const tail: XzBlock[] = []
  const end = walkStream(file, {
    onChunk(bytes) {
      unpackedBytes += bytes
      if (unpackedBytes > maxUnpackedBytes) {
        throw malformed(`its archive of ${file.sizeBytes} bytes unpacks to more than ${maxUnpackedBytes}`)
      }
    },
    onBlock(block) {
      tail.push(block)
      while (tail.length > MAX_TAIL_BLOCKS || unpackedBytesOf(tail.slice(1)) >= TAIL_BYTES) tail.shift()
    },
  })
  if (end < file.sizeBytes)
    throw malformed(`${file.sizeBytes - end} extra bytes follow its compressed archive`)
  return { unpackedBytes, tail }
}

/** Returns the unpacked size of blocks. */
export function unpackedBytesOf(blocks: readonly XzBlock[]): number {
  return blocks.reduce((sum, block) => sum + block.unpackedBytes, 0)
}

const STREAM_MAGIC = Buffer.from('fd377a585a00', 'hex')
const FOOTER_MAGIC = Buffer.from('YZ')
const LZMA2 = 0x21
// The lengths of the checks that a block may end with, by their codes: none, CRC32 and CRC64. SHA-256 (10) is
// not supported, because nobody packs with it.
const CHECK_BYTES = new Map([
  [0, 0],
  [1, 4],
  [4, 8],
])

/** A block of a file: its place in the file, and its unpacked size. */
export interface XzBlock {
  readonly start: number
  readonly sizeBytes: number
  readonly unpackedBytes: number
}

/** The length of the header of the stream. The first block follows it. */
export const STREAM_HEADER_BYTES = 12

/**
 * Yields the blocks of a file that {@link walkXz} accepted. Reads the headers of a block when the iteration
 * reaches it.
 */
export function* blocksOf(file: Payload): Generator<XzBlock, void> {
  const { checkBytes } = parseStreamHeader(file)
  for (let start = STREAM_HEADER_BYTES; file.bytes(start, 1).readUInt8() !== 0;) {
    const { sizeBytes, unpackedBytes } = walkBlock(file, start, checkBytes)
    yield { start, sizeBytes, unpackedBytes }
    start += sizeBytes
  }
}

/** Checks the structure of the stream. Returns the position after it. */
function walkStream(
  file: Payload,
  { onChunk, onBlock }: { onChunk: (unpackedBytes: number) => void; onBlock: (block: XzBlock) => void },
): number {
  const { flags, checkBytes } = parseStreamHeader(file)
  let at = STREAM_HEADER_BYTES
  const blocks = new BlockSum()
  while (file.bytes(at, 1).readUInt8() !== 0) {
    const block = walkBlock(file, at, checkBytes, onChunk)
    onBlock({ start: at, sizeBytes: block.sizeBytes, unpackedBytes: block.unpackedBytes })
    blocks.add(block.unpaddedBytes, block.unpackedBytes)
    at += block.sizeBytes
  }
  const indexBytes = checkIndex(file, at, blocks)
  at += indexBytes

  const footer = file.bytes(at, 12)
  const whole =
    footer.subarray(10).equals(FOOTER_MAGIC) && crc32(footer.subarray(4, 10)) === footer.readUInt32LE(0)
  if (!whole || footer.readUInt16BE(8) !== flags || (footer.readUInt32LE(4) + 1) * 4 !== indexBytes)
    throw damaged('the footer of a stream')
  return at + 12
}

function parseStreamHeader(file: Payload): { flags: number; checkBytes: number } {
  const magic = file.bytes(0, Math.min(file.sizeBytes, STREAM_MAGIC.length))
  if (!STREAM_MAGIC.subarray(0, magic.length).equals(magic)) throw malformed('its payload is not an xz file')
  const header = file.bytes(0, STREAM_HEADER_BYTES)
  const flags = header.readUInt16BE(6)
  if (crc32(header.subarray(6, 8)) !== header.readUInt32LE(8)) throw damaged('the header of a stream')
  const checkBytes = CHECK_BYTES.get(flags)
  if (checkBytes === undefined)
    throw malformed(
      `its archive has an unsupported integrity check (${flags}): CRC32 and CRC64 are supported`,
    )
  return { flags, checkBytes }
}

/**
 * Checks the structure of a block. Calls `onChunk` with the unpacked size of each chunk before it reads the
 * next.
 */
function walkBlock(
  file: Payload,
  start: number,
  checkBytes: number,
  onChunk?: (unpackedBytes: number) => void,
): { sizeBytes: number; unpaddedBytes: number; unpackedBytes: number } {
  const header = parseBlockHeader(file, start)
  let at = start + header.bytes
  let unpackedBytes = 0
  for (let chunk = parseChunk(file, at); chunk !== undefined; chunk = parseChunk(file, at)) {
    onChunk?.(chunk.unpacked)
    unpackedBytes += chunk.unpacked
    at += chunk.bytes
  }
  at += 1

  const packed = at - start - header.bytes
  if (header.packed !== undefined && header.packed !== packed) throw damaged('a block, whose length is wrong')
  if (header.unpacked !== undefined && header.unpacked !== unpackedBytes)
    throw damaged('a block, whose unpacked size is wrong')
  const padding = -packed & 3
  if (file.bytes(at, padding).some((byte) => byte !== 0)) throw damaged('the padding of a block')
  file.bytes(at + padding, checkBytes)
  const unpaddedBytes = header.bytes + packed + checkBytes
  return { sizeBytes: unpaddedBytes + padding, unpaddedBytes, unpackedBytes }
}

function parseBlockHeader(
  file: Payload,
  start: number,
): { bytes: number; packed: number | undefined; unpacked: number | undefined } {
  const bytes = (file.bytes(start, 1).readUInt8() + 1) * 4
  const header = file.bytes(start, bytes)
  if (crc32(header.subarray(0, -4)) !== header.readUInt32LE(bytes - 4)) throw damaged('the header of a block')
  const flags = header.readUInt8(1)
  if ((flags & 0x3c) !== 0) throw damaged('the header of a block')
  const fields = { at: 2, end: bytes - 4 }
  const next = (): number => readNumber(header, fields)
  const packed = (flags & 0x40) === 0 ? undefined : next()
  const unpacked = (flags & 0x80) === 0 ? undefined : next()
  // Other filters (x86 code, deltas) may come before LZMA2; Habitat never used one.
  if ((flags & 3) !== 0 || next() !== LZMA2)
    throw malformed('its archive is compressed with a filter other than LZMA2')
  if (next() !== 1) throw damaged('the header of a block')
  checkDictionary(next())
  if (header.subarray(fields.at, fields.end).some((byte) => byte !== 0))
    throw damaged('the header of a block')
  return { bytes, packed, unpacked }
}

/**
 * Checks the size of the dictionary, which the header gives as a code of one byte. Throws `hart_malformed`.
 */
function checkDictionary(code: number): void {
  const bytes = code === 40 ? 2 ** 32 - 1 : (2 | (code & 1)) * 2 ** ((code >> 1) + 11)
  if (code > 40) throw damaged('the header of a block')
  if (bytes > MAX_DICTIONARY_BYTES) {
    throw malformed(
      `its archive needs a dictionary of ${bytes} bytes to unpack; the limit is ${MAX_DICTIONARY_BYTES}`,
    )
  }
}

/**
 * Returns the length of a chunk with its header, and its unpacked size; `undefined` at the end of the block.
 */
function parseChunk(file: Payload, at: number): { bytes: number; unpacked: number } | undefined {
  const control = file.bytes(at, 1).readUInt8()
  if (control === 0) return undefined
  if (control > 2 && control < 0x80) throw damaged('a chunk')
  if (control <= 2) {
    const size = file.bytes(at, 3).readUInt16BE(1) + 1
    return { bytes: 3 + size, unpacked: size }
  }
  const header = file.bytes(at, 5)
  const headerBytes = control >= 0xc0 ? 6 : 5
  return {
    bytes: headerBytes + header.readUInt16BE(3) + 1,
    unpacked: ((control & 0x1f) << 16) + header.readUInt16BE(1) + 1,
  }
}

/** Checks the index against the blocks before it. Returns its length. */
function checkIndex(file: Payload, start: number, blocks: BlockSum): number {
  let at = start + 1
  let sum = crc32(Buffer.of(0))
  const next = (): number => {
    const field = file.bytes(at, Math.min(MAX_NUMBER_BYTES, Math.max(1, file.sizeBytes - at)))
    const cursor = { at: 0, end: field.length }
    const value = readNumber(field, cursor)
    sum = crc32(field.subarray(0, cursor.at), sum)
    at += cursor.at
    return value
  }
  const listed = new BlockSum()
  const count = next()
  // Records are read only if the count is right, so a false count costs nothing.
  if (count !== blocks.count) throw damaged('the index of its blocks')
  while (listed.count < count) listed.add(next(), next())
  if (listed.sum !== blocks.sum) throw damaged('the index of its blocks')

  const padding = file.bytes(at, -(at - start) & 3)
  sum = crc32(padding, sum)
  at += padding.length
  if (padding.some((byte) => byte !== 0) || file.bytes(at, 4).readUInt32LE() !== sum)
    throw damaged('the index of its blocks')
  return at + 4 - start
}

/** Represents a list of blocks in constant memory: their number, and a checksum of their sizes. */
class BlockSum {
  count = 0
  sum = 0
  readonly #record = Buffer.alloc(16)

  add(unpadded: number, unpacked: number): void {
    this.#record.writeDoubleLE(unpadded, 0)
    this.#record.writeDoubleLE(unpacked, 8)
    this.sum = crc32(this.#record, this.sum)
    this.count += 1
  }
}

/** The maximum length of a number in the index or in the header of a block. */
const MAX_NUMBER_BYTES = 9

/** Reads a number at `cursor.at`, and moves the cursor behind it. */
function readNumber(bytes: Buffer, cursor: { at: number; end: number }): number {
  let value = 0
  for (let i = 0; i < MAX_NUMBER_BYTES && cursor.at < cursor.end; i += 1) {
    const byte = bytes.readUInt8(cursor.at)
    cursor.at += 1
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) {
      if (i > 0 && byte === 0) break
      if (!Number.isSafeInteger(value)) break
      return value
    }
  }
  throw damaged('a number')
}

function damaged(what: string): DepotError {
  return malformed(`its compressed archive is damaged in ${what}`)
}

function malformed(why: string): DepotError {
  return new DepotError('hart_malformed', why)
}
