import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { DepotError, quote } from '../errors.ts'

// A depot's key signs its lockfiles and checkpoints. Operators copy its key file to other depots:
//
//   hart-depot-key 1
//   {id}                  the first 32 hexadecimal characters of the SHA-256 of the raw key
//   {key}                 base64 of the raw Ed25519 key, 32 bytes
//
// The id is derived from the key, so that people can compare it and a file cannot claim another key's id.

declare const brand: unique symbol

/**
 * The public key of a depot. Only {@link parseDepotKey}, {@link publicDepotKey} and {@link generateDepotKey}
 * make one.
 */
export type DepotKey = { readonly id: string; readonly raw: Buffer } & { readonly [brand]: 'DepotKey' }

/** The private half of a depot's key. */
export interface DepotSecretKey {
  readonly id: string
  /** PKCS #8. */
  readonly pem: string
}

const FIRST_LINE = 'hart-depot-key 1'
const KEY_BYTES = 32
const ID_CHARACTERS = 32
const MAX_KEY_FILE_BYTES = 1_024
const MAX_NAME_LENGTH = 64
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

export function isDepotKeyId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text)
}

export function generateDepotKey(): { publicKey: DepotKey; secretKey: DepotSecretKey } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const key = publicDepotKey(Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'))
  return {
    publicKey: key,
    secretKey: { id: key.id, pem: privateKey.export({ format: 'pem', type: 'pkcs8' }) },
  }
}

/** Makes a public key from its 32 raw bytes. */
export function publicDepotKey(raw: Buffer): DepotKey {
  return { id: createHash('sha256').update(raw).digest('hex').slice(0, ID_CHARACTERS), raw } as DepotKey
}

export function formatDepotKey({ id, raw }: DepotKey): string {
  return `${FIRST_LINE}\n${id}\n${raw.toString('base64')}\n`
}

/**
 * Parses a depot's key file, with spaces around lines or without. Throws `key_malformed`, also if the id is
 * not that of the key.
 */
export function parseDepotKey(text: string): DepotKey {
  if (text.length > MAX_KEY_FILE_BYTES) throw malformed(`it is longer than ${MAX_KEY_FILE_BYTES} characters`)
  const [first = '', id = '', encoded = '', ...rest] = text
    .trimEnd()
    .split('\n')
    .map((line) => line.trim())
  if (first !== FIRST_LINE) throw malformed(`it starts with ${quote(first)}, not ${quote(FIRST_LINE)}`)
  const raw = Buffer.from(encoded, 'base64')
  if (rest.length > 0 || raw.length !== KEY_BYTES || raw.toString('base64') !== encoded)
    throw malformed(`its third and last line does not contain ${KEY_BYTES} bytes in base64`)
  const key = publicDepotKey(raw)
  if (key.id !== id) throw malformed(`it names the key ${quote(id)}, but contains ${key.id}`)
  return key
}

/** Parses the local name of another depot's key. Throws `invalid_request`. */
export function parseTrustedName(text: string): string {
  if (text.length <= MAX_NAME_LENGTH && NAME.test(text)) return text
  throw new DepotError(
    'invalid_request',
    `${quote(text)} is not a name for a key: letters, digits and . _ -, starting with a letter or digit, at most ${MAX_NAME_LENGTH}`,
  )
}

/** Returns the 64-byte Ed25519 signature of `message`. */
export function signWithDepotKey({ pem }: DepotSecretKey, message: Buffer): Buffer {
  return sign(null, message, createPrivateKey(pem))
}

/** Reports whether the key made the signature of the message. */
export function verifyWithDepotKey({ raw }: DepotKey, message: Buffer, signature: Buffer): boolean {
  const key = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') },
    format: 'jwk',
  })
  return verify(null, message, key, signature)
}

function malformed(why: string): DepotError {
  return new DepotError('key_malformed', `not the key file of a depot: ${why}`)
}
