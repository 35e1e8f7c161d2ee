import { DepotError, quote } from '../errors.ts'
import { formatKeyName, parseKeyName } from './origin-key.ts'
import type { KeyName } from './origin-key.ts'

// The text before the payload (habitat-2016.md 7.1, habitat-today.md 5). Each line ends with \n. Like
// Habitat, the depot trims lines.
//
//   HART-1
//   {origin}-{revision}      the signer's key
//   BLAKE2b
//   base64, one line         128 bytes: Ed25519 signature (64), then the signed message: the payload's hash as 64 hex characters
//   (empty)
//   payload: tar.xz, to the end of the file

/** The header of a hart file. */
export interface HartHeader {
  readonly signer: KeyName
  /** libsodium's attached form: 64 bytes of signature, then the 64 signed characters. */
  readonly signedMessage: Buffer
  /** Length of the header in bytes. */
  readonly payloadOffset: number
}

/**
 * The maximum length of a header. One without extra white space has at most 470 bytes. Without a limit, a
 * file of one long line would fill the memory.
 */
export const MAX_HEADER_BYTES = 1024

const LINES = 5
const SIGNED_MESSAGE_BYTES = 128

/**
 * Parses the header at the start of `bytes`. Returns `undefined` while the header is incomplete. Throws
 * `hart_malformed` as soon as no further bytes could complete it.
 */
export function parseHeader(bytes: Uint8Array): HartHeader | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, MAX_HEADER_BYTES)).toString(
    'latin1',
  )
  const lines = text.split('\n')
  const complete = lines.slice(0, -1).slice(0, LINES)
  const [format, signerName, hash, message, empty] = complete.map((line) => line.trim())

  if (!couldBe('HART-1', format, text))
    throw malformed(`it starts with ${quote((format ?? text).slice(0, 16))}, not HART-1`)
  const signer = signerName === undefined ? undefined : parseSigner(signerName)
  if (hash !== undefined && hash !== 'BLAKE2b')
    throw malformed(`it is hashed with ${quote(hash)}, not BLAKE2b`)
  const signedMessage = message === undefined ? undefined : parseSignedMessage(message)
  if (empty !== undefined && empty !== '') throw malformed('the fifth line of its header is not empty')

  if (signer === undefined || signedMessage === undefined || empty === undefined) {
    if (bytes.length >= MAX_HEADER_BYTES)
      throw malformed(`its header does not end within ${MAX_HEADER_BYTES} bytes`)
    return undefined
  }
  const payloadOffset = complete.reduce((length, line) => length + line.length + 1, 0)
  return { signer, signedMessage, payloadOffset }
}

/** Formats a header; the inverse of {@link parseHeader}. */
export function formatHeader(header: Pick<HartHeader, 'signer' | 'signedMessage'>): Buffer {
  return Buffer.from(
    `HART-1\n${formatKeyName(header.signer)}\nBLAKE2b\n${header.signedMessage.toString('base64')}\n\n`,
  )
}

/**
 * Reports whether the first line is `expected`. While the line is incomplete, reports whether more bytes can
 * complete it to `expected`.
 */
function couldBe(expected: string, line: string | undefined, text: string): boolean {
  return line === undefined ? expected.startsWith(text.trim()) : line === expected
}

function parseSigner(name: string): KeyName {
  const signer = parseKeyName(name)
  if (signer === undefined) throw malformed(`${quote(name)} is not the name of a key`)
  return signer
}

function parseSignedMessage(line: string): Buffer {
  const message = Buffer.from(line, 'base64')
  if (message.length !== SIGNED_MESSAGE_BYTES || message.toString('base64') !== line) {
    throw malformed(`its signature is not ${SIGNED_MESSAGE_BYTES} bytes in base64`)
  }
  return message
}

function malformed(why: string): DepotError {
  return new DepotError('hart_malformed', `not a hart file: ${why}`)
}
