import { DepotError, quote } from '../errors.ts'

// A tar header is one block of 512 bytes before each entry (POSIX ustar; GNU writes `ustar  \0` and stores
// other data in place of the prefix):
//
//   0 name 100   100 mode 8   108 uid 8   116 gid 8   124 size 12   136 mtime 12   148 checksum 8   156 type 1   157 link 100
//   257 magic 6  263 version 2   265 user 32   297 group 32   329 device 8+8   345 prefix 155
//
// Numbers are octal text, or big-endian binary if the first byte has its high bit set (GNU, for sizes from 8
// GiB). The checksum is the sum of all 512 bytes, in which the eight bytes of the checksum count as spaces.

/** The fields of a header that matter here. */
export interface TarHeader {
  readonly path: string
  readonly typeFlag: string
  readonly sizeBytes: number
  readonly link: string
}

/** The size of a block in bytes. */
export const BLOCK = 512

/** Parses a header; `undefined` for a block of zeros, which ends an archive. Throws `hart_malformed`. */
export function parseTarHeader(block: Buffer): TarHeader | undefined {
  const sum = checksum(block)
  if (sum === EMPTY_SUM && block.every((byte) => byte === 0)) return undefined
  if (sum !== readNumber(block, 148, 8))
    throw new DepotError('hart_malformed', 'a header of its archive has a wrong checksum')
  const name = readText(block, 0, 100)
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? readText(block, 345, 155) : ''
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    typeFlag: String.fromCharCode(block[156] ?? 0),
    sizeBytes: readNumber(block, 124, 12),
    link: readText(block, 157, 100),
  }
}

/**
 * Makes a header with owner root and time 0. Throws a `RangeError` if the path or the link is longer than 100
 * bytes.
 */
export function formatTarHeader(header: TarHeader & { readonly mode?: number }): Buffer {
  const block = Buffer.alloc(BLOCK)
  putText(block, 0, header.path)
  putNumber(block, 100, 8, header.mode ?? 0o644)
  putNumber(block, 108, 8, 0)
  putNumber(block, 116, 8, 0)
  putNumber(block, 124, 12, header.sizeBytes)
  putNumber(block, 136, 12, 0)
  block.write(header.typeFlag, 156, 'latin1')
  putText(block, 157, header.link)
  block.write('ustar\x0000', 257, 'latin1')
  block.write('root', 265, 'latin1')
  block.write('root', 297, 'latin1')
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

/** The checksum of a block of zeros, in which the checksum itself counts as eight spaces. */
const EMPTY_SUM = 8 * 0x20

function checksum(block: Buffer): number {
  let sum = EMPTY_SUM
  for (let at = 0; at < 148; at += 1) sum += block[at] ?? 0
  for (let at = 156; at < BLOCK; at += 1) sum += block[at] ?? 0
  return sum
}

function readText(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length)
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end === -1 ? length : end)
}

function readNumber(block: Buffer, at: number, length: number): number {
  const first = block[at] ?? 0
  if (first >= 0x80) return readBinaryNumber(block.subarray(at, at + length))
  const digits = block
    .toString('latin1', at, at + length)
    .replaceAll('\0', ' ')
    .trim()
  if (!/^[0-7]*$/.test(digits))
    throw new DepotError(
      'hart_malformed',
      `a header of its archive holds ${quote(digits)} where a number belongs`,
    )
  return digits === '' ? 0 : Number.parseInt(digits, 8)
}

function readBinaryNumber(field: Buffer): number {
  const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, (field[0] ?? 0) & 0x7f)
  // 0xff begins a negative number. Neither that nor more than a safe integer is the size of a file.
  if (!Number.isSafeInteger(value))
    throw new DepotError('hart_malformed', 'a header of its archive holds an impossible size')
  return value
}

function putText(block: Buffer, at: number, value: string): void {
  if (Buffer.byteLength(value) > 100) throw new RangeError(`${quote(value)} does not fit into a tar header`)
  block.write(value, at, 'utf8')
}

function putNumber(block: Buffer, at: number, length: number, value: number): void {
  const digits = value.toString(8)
  if (digits.length < length) {
    block.write(`${digits.padStart(length - 1, '0')}\0`, at, 'latin1')
    return
  }
  block.writeUIntBE(value, at + length - 6, 6)
  block[at] = 0x80
}
