import { crc32 } from 'node:zlib'

// Writes an xz file that stores its content without compression: one stream, one block, LZMA2 chunks of the
// stored kind (layout in xz.ts). Every xz reads it, it needs no library, and the same content always gives
// the same file. One chunk is in memory at a time.

const CHUNK_BYTES = 65536
/** The code of a dictionary of 64 KiB. */
const DICTIONARY_64_KIB = 8
const CHECK_CRC32 = 1
const FLAGS = Buffer.of(0, CHECK_CRC32)
// A block of unknown length with one filter: LZMA2, with one byte of properties.
const BLOCK_HEADER = withCrc(Buffer.of(2, 0, 0x21, 1, DICTIONARY_64_KIB, 0, 0, 0))

/** Yields the parts of an xz file that unpacks to `content`. Chunks may have any length. */
export function* storeXz(content: Iterable<Uint8Array>): Generator<Buffer, void> {
  yield Buffer.concat([Buffer.from('fd377a585a00', 'hex'), FLAGS, littleEndian(crc32(FLAGS))])
  yield BLOCK_HEADER

  let packed = 0
  let unpacked = 0
  let check = 0
  for (const chunk of ofSize(content, CHUNK_BYTES)) {
    const resetsDictionary = unpacked === 0
    const header = Buffer.of(resetsDictionary ? 1 : 2, (chunk.length - 1) >> 8, (chunk.length - 1) & 0xff)
    yield header
    yield chunk
    packed += header.length + chunk.length
    unpacked += chunk.length
    check = crc32(chunk, check)
  }
  packed += 1
  yield Buffer.concat([Buffer.alloc(1 + (-packed & 3)), littleEndian(check)])

  const record = Buffer.concat([
    formatNumber(1),
    formatNumber(BLOCK_HEADER.length + packed + 4),
    formatNumber(unpacked),
  ])
  const index = withCrc(Buffer.concat([Buffer.alloc(1), record, Buffer.alloc(-(1 + record.length) & 3)]))
  const footer = Buffer.concat([littleEndian(index.length / 4 - 1), FLAGS])
  yield Buffer.concat([index, littleEndian(crc32(footer)), footer, Buffer.from('YZ')])
}

/** Yields the same bytes in chunks of `size`; the last may be shorter. */
function* ofSize(chunks: Iterable<Uint8Array>, size: number): Generator<Buffer, void> {
  const buffer = Buffer.alloc(size)
  let held = 0
  for (const chunk of chunks) {
    for (let from = 0; from < chunk.length;) {
      const part = chunk.subarray(from, from + size - held)
      buffer.set(part, held)
      held += part.length
      from += part.length
      if (held === size) {
        yield Buffer.from(buffer)
        held = 0
      }
    }
  }
  if (held > 0) yield Buffer.from(buffer.subarray(0, held))
}

/** Formats a number with 7 bits in each byte, the lowest first. */
function formatNumber(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  return Buffer.from([...bytes, rest])
}

function withCrc(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, littleEndian(crc32(bytes))])
}

function littleEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
