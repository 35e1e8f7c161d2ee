import { crc32 } from 'node:zlib'
import { DepotError } from '../errors.ts'
import { LzmaDecoder } from './lzma.ts'
import type { PayloadFile } from './payload-file.ts'

// The xz container. A file is one stream or more (`cat a.xz b.xz`, with zeros by fours between them); a stream has any number of
// blocks (`xz -T`, pixz and 7z make many); a block is a run of LZMA2 chunks of at most 64 KiB in and 2 MiB out.
//
//   stream   fd 37 7a 58 5a 00 | 00 check | crc32    blocks    index    crc32 | backward size / 4 - 1 (4) | 00 check | 59 5a
//   block    header: size / 4 - 1 (1) | flags | [packed] | [unpacked] | filters | zeros | crc32    chunks    zeros to a 4th    check
//   index    00 | count | (unpadded, unpacked) of each block | zeros to a 4th | crc32               numbers: 7 bits a byte, low first
//   chunk    00                                    end of the block
//            01, 02 | size - 1 (2)                 stored; 01 resets the dictionary
//            1rr uuuuu | (2) | packed - 1 (2) | [properties]    rr: 0 nothing, 1 state, 2 and properties, 3 and dictionary
//
// The chunks say how much comes out of them. So a file is walked first, from header to header: what is cut off, followed by rubbish,
// bound to unpack to more than it may, or in need of a window that would not fit is refused before one byte is decoded. The check
// at the end of a block is not computed: it covers what the signature covers already.

export interface XzShape {
  /** What the whole file unpacks to. */
  readonly unpackedBytes: number
  /** The largest dictionary that one of its blocks asks for. */
  readonly dictionaryBytes: number
}

/** What `xz -9` asks for; `hab` packs with -6, which asks for 8 MiB. The format allows 4 GiB. */
export const LARGEST_DICTIONARY = 64 * 1024 * 1024

/** Room for the longest chunk and its header. */
export const LONGEST_CHUNK = 65536 + 6

/** Walks the whole file. Throws `hart_malformed` when it is no xz file, or unpacks to more than `mostUnpackedBytes`. */
export function walkXz(file: PayloadFile, mostUnpackedBytes: number): XzShape {
  let unpackedBytes = 0
  let dictionaryBytes = 0
  for (const part of parts(file)) {
    if (part.kind === 'block') {
      dictionaryBytes = Math.max(dictionaryBytes, part.dictionaryBytes)
    } else {
      unpackedBytes += part.unpacked
      if (unpackedBytes > mostUnpackedBytes) {
        throw malformed(`its archive of ${file.sizeBytes} bytes unpacks to more than ${mostUnpackedBytes}`)
      }
    }
  }
  return { unpackedBytes, dictionaryBytes }
}

/**
 * Decodes a file that was walked. What comes out goes to `output` in pieces that are good only during the call; once it answers
 * `'enough'` no more is decoded. Holds a window of the dictionary's size and nothing else.
 */
export function decodeXz(file: PayloadFile, shape: XzShape, output: (bytes: Uint8Array) => 'more' | 'enough'): void {
  let wanted = true
  const decoder = new LzmaDecoder(Math.min(shape.dictionaryBytes, shape.unpackedBytes), (bytes) => {
    wanted &&= output(bytes) === 'more'
  })
  for (const part of parts(file)) {
    if (part.kind === 'block') continue
    if (part.resetsDictionary) decoder.resetDictionary()
    if (part.properties !== undefined) decoder.setProperties(part.properties)
    if (part.resetsState) decoder.resetState()
    if (part.kind === 'stored') decoder.store(file.bytes(part.at, part.packed))
    else decoder.decode(file.bytes(part.at, part.packed), part.unpacked)
    if (!wanted) return
  }
}

interface Chunk {
  readonly kind: 'stored' | 'compressed'
  readonly at: number
  readonly packed: number
  readonly unpacked: number
  readonly resetsDictionary: boolean
  readonly resetsState: boolean
  readonly properties: number | undefined
}

type Part = { readonly kind: 'block'; readonly dictionaryBytes: number } | Chunk

const STREAM_MAGIC = Buffer.from('fd377a585a00', 'hex')
const FOOTER_MAGIC = Buffer.from('YZ')
const LZMA2 = 0x21
// Length of a block's check by its number.
const CHECK_BYTES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64]

function* parts(file: PayloadFile): Generator<Part, void> {
  let at = yield* stream(file, 0)
  while (at < file.sizeBytes) {
    if (file.bytes(at, 4).readUInt32LE() === 0) at += 4
    else at = yield* stream(file, at)
  }
}

/** Answers where the stream ends. */
function* stream(file: PayloadFile, start: number): Generator<Part, number> {
  const header = file.bytes(start, 12)
  if (!header.subarray(0, 6).equals(STREAM_MAGIC)) {
    throw malformed(start === 0 ? 'its payload is not an xz file' : `${file.sizeBytes - start} bytes follow its compressed archive that do not belong to it`)
  }
  const flags = header.readUInt16BE(6)
  if (flags > 0x0f || crc32(header.subarray(6, 8)) !== header.readUInt32LE(8)) throw damaged('the header of the stream')
  const checkBytes = CHECK_BYTES[flags] ?? 0

  let at = start + 12
  const blocks = new BlockSum()
  while (file.bytes(at, 1).readUInt8() !== 0) at += yield* block(file, at, checkBytes, blocks)
  const indexBytes = checkIndex(file, at, blocks)
  at += indexBytes

  const footer = file.bytes(at, 12)
  const whole = footer.subarray(10).equals(FOOTER_MAGIC) && crc32(footer.subarray(4, 10)) === footer.readUInt32LE(0)
  if (!whole || footer.readUInt16BE(8) !== flags || (footer.readUInt32LE(4) + 1) * 4 !== indexBytes) throw damaged('the footer of the stream')
  return at + 12
}

/** Answers the length of the block with its padding and check. */
function* block(file: PayloadFile, start: number, checkBytes: number, blocks: BlockSum): Generator<Part, number> {
  const header = parseBlockHeader(file, start)
  yield { kind: 'block', dictionaryBytes: header.dictionaryBytes }

  let at = start + header.bytes
  let unpacked = 0
  // A block begins with nothing to refer to: its first chunk must reset the dictionary, its first compressed one bring properties.
  let needsDictionary = true
  let needsProperties = true
  for (;;) {
    const control = file.bytes(at, 1).readUInt8()
    if (control === 0) break
    const chunk = parseChunk(file, at, control)
    if (chunk.resetsDictionary) {
      needsDictionary = false
      needsProperties = true
    }
    if (chunk.properties !== undefined) needsProperties = false
    if (needsDictionary || (chunk.kind === 'compressed' && needsProperties)) throw damaged('a chunk')
    yield chunk
    at = chunk.at + chunk.packed
    unpacked += chunk.unpacked
  }
  at += 1

  const packed = at - start - header.bytes
  if (header.packed !== undefined && header.packed !== packed) throw damaged('a block, which is not as long as it says')
  if (header.unpacked !== undefined && header.unpacked !== unpacked) throw damaged('a block, which does not unpack to what it says')
  const padding = -packed & 3
  if (file.bytes(at, padding).some((byte) => byte !== 0)) throw damaged('the padding of a block')
  file.bytes(at + padding, checkBytes)
  blocks.add(header.bytes + packed + checkBytes, unpacked)
  return header.bytes + packed + padding + checkBytes
}

function parseBlockHeader(file: PayloadFile, start: number): { bytes: number; packed: number | undefined; unpacked: number | undefined; dictionaryBytes: number } {
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
  if ((flags & 3) !== 0 || next() !== LZMA2) throw malformed('its archive is compressed with a filter other than LZMA2')
  if (next() !== 1) throw damaged('the header of a block')
  const dictionaryBytes = dictionarySize(next())
  if (header.subarray(fields.at, fields.end).some((byte) => byte !== 0)) throw damaged('the header of a block')
  return { bytes, packed, unpacked, dictionaryBytes }
}

function dictionarySize(code: number): number {
  const bytes = code === 40 ? 2 ** 32 - 1 : (2 | (code & 1)) * 2 ** ((code >> 1) + 11)
  if (code > 40) throw damaged('the header of a block')
  if (bytes > LARGEST_DICTIONARY) {
    throw malformed(`its archive needs a dictionary of ${bytes} bytes to unpack; the most is ${LARGEST_DICTIONARY}`)
  }
  return bytes
}

function parseChunk(file: PayloadFile, at: number, control: number): Chunk {
  if (control < 0x80) {
    if (control > 2) throw damaged('a chunk')
    const size = file.bytes(at, 3).readUInt16BE(1) + 1
    return { kind: 'stored', at: at + 3, packed: size, unpacked: size, resetsDictionary: control === 1, resetsState: false, properties: undefined }
  }
  const resets = (control >> 5) & 3
  const header = file.bytes(at, resets >= 2 ? 6 : 5)
  return {
    kind: 'compressed',
    at: at + header.length,
    packed: header.readUInt16BE(3) + 1,
    unpacked: ((control & 0x1f) << 16) + header.readUInt16BE(1) + 1,
    resetsDictionary: resets === 3,
    resetsState: resets >= 1,
    properties: resets >= 2 ? header.readUInt8(5) : undefined,
  }
}

/** Checks the index against the blocks that came before it, and answers its length. */
function checkIndex(file: PayloadFile, start: number, blocks: BlockSum): number {
  let at = start + 1
  let sum = crc32(Buffer.of(0))
  const next = (): number => {
    const field = file.bytes(at, Math.min(LONGEST_NUMBER, Math.max(1, file.sizeBytes - at)))
    const cursor = { at: 0, end: field.length }
    const value = readNumber(field, cursor)
    sum = crc32(field.subarray(0, cursor.at), sum)
    at += cursor.at
    return value
  }
  const listed = new BlockSum()
  const count = next()
  // The count is only believed while it matches: a record is read for each block that was there, not for each that is claimed.
  if (count !== blocks.count) throw damaged('the index of its blocks')
  while (listed.count < count) listed.add(next(), next())
  if (listed.sum !== blocks.sum) throw damaged('the index of its blocks')

  const padding = file.bytes(at, -(at - start) & 3)
  sum = crc32(padding, sum)
  at += padding.length
  if (padding.some((byte) => byte !== 0) || file.bytes(at, 4).readUInt32LE() !== sum) throw damaged('the index of its blocks')
  return at + 4 - start
}

/** Stands for a list of blocks, however long: how many, and a checksum over their sizes. */
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

const LONGEST_NUMBER = 9

function readNumber(bytes: Buffer, cursor: { at: number; end: number }): number {
  let value = 0
  for (let i = 0; i < LONGEST_NUMBER && cursor.at < cursor.end; i += 1) {
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
