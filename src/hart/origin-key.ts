import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { DepotError, quote } from '../errors.ts'
import { isOriginName } from '../package/ident.ts'

// Key files (habitat-2016.md 7.4, habitat-today.md 1.9):
//
//   SIG-PUB-1 | SIG-SEC-1
//   {origin}-{revision}             revision: 14 digits, UTC YYYYMMDDhhmmss
//   (empty)
//   base64 of the raw key           32 bytes public | 64 bytes secret: seed, then public key

/** The parts of a key name such as `acme-20260101120000`. */
export interface KeyName {
  readonly origin: string
  readonly revision: string
}

/** `raw` is the 32-byte Ed25519 key. */
export interface PublicKey extends KeyName {
  readonly raw: Buffer
}

/** `raw` is libsodium's 64-byte secret key: the seed, then the public key. */
export interface SecretKey extends KeyName {
  readonly raw: Buffer
}

const PUBLIC_KEY_BYTES = 32
const SECRET_KEY_BYTES = 64
const MAX_KEY_FILE_BYTES = 4096
// The DER before a raw Ed25519 key (RFC 8410): SubjectPublicKeyInfo, and PKCS #8 before the seed.
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

/**
 * Parses the name of a key, `{origin}-{14 digits}`; `undefined` for other texts. An origin may contain `-`,
 * so the revision follows the last `-`.
 */
export function parseKeyName(text: string): KeyName | undefined {
  const match = /^(.+)-(\d{14})$/.exec(text)
  const [, origin, revision] = match ?? []
  if (origin === undefined || revision === undefined || !isOriginName(origin)) return undefined
  return { origin, revision }
}

/** Reports whether a text can be the revision of a key: 14 digits. */
export function isKeyRevision(text: string): boolean {
  return /^\d{14}$/.test(text)
}

export function formatKeyName(key: KeyName): string {
  return `${key.origin}-${key.revision}`
}

/** Parses a public key file. Throws `key_malformed`. */
export function parsePublicKey(text: string): PublicKey {
  return parseKeyFile(text, 'SIG-PUB-1', PUBLIC_KEY_BYTES)
}

/**
 * Parses a secret key file. Throws `secret_key_malformed` if it is malformed, and if the public half of the
 * key does not belong to the seed.
 */
export function parseSecretKey(text: string): SecretKey {
  const key = parseKeyFile(text, 'SIG-SEC-1', SECRET_KEY_BYTES)
  if (!publicHalf(key).raw.equals(key.raw.subarray(32))) {
    throw new DepotError(
      'secret_key_malformed',
      `the secret key ${formatKeyName(key)} does not belong to the public key in its file`,
    )
  }
  return key
}

export function formatPublicKey(key: PublicKey): string {
  return `SIG-PUB-1\n${formatKeyName(key)}\n\n${key.raw.toString('base64')}`
}

export function formatSecretKey(key: SecretKey): string {
  return `SIG-SEC-1\n${formatKeyName(key)}\n\n${key.raw.toString('base64')}`
}

/** Makes a new key pair. Its revision comes from the time `at`, in epoch milliseconds. */
export function generateKeyPair(origin: string, at: number): { publicKey: PublicKey; secretKey: SecretKey } {
  const { privateKey } = generateKeyPairSync('ed25519')
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(PKCS8_PREFIX.length)
  const name = { origin, revision: revisionAt(at) }
  const publicKey = publicHalf({ ...name, raw: seed })
  return { publicKey, secretKey: { ...name, raw: Buffer.concat([seed, publicKey.raw]) } }
}

/** Returns the revision of a key made at a time in epoch milliseconds: the UTC second, `20260101120000`. */
export function revisionAt(at: number): string {
  return new Date(at).toISOString().replace(/\D/g, '').slice(0, 14)
}

/** Computes the public key from the seed of a secret key. */
export function publicHalf(secret: SecretKey): PublicKey {
  const spki = createPublicKey(privateKeyObject(secret)).export({ format: 'der', type: 'spki' })
  return { origin: secret.origin, revision: secret.revision, raw: spki.subarray(SPKI_PREFIX.length) }
}

/** Returns the 64-byte Ed25519 signature of `message`. */
export function signWith(secret: SecretKey, message: Buffer): Buffer {
  return sign(null, message, privateKeyObject(secret))
}

/** Reports whether `key` made the signature of `message`. */
export function verifyWith(key: PublicKey, message: Buffer, signature: Buffer): boolean {
  return verify(null, message, publicKeyObject(key), signature)
}

/** A cache of public keys, by their raw bytes in base64. */
const publicKeyObjects = new Map<string, KeyObject>()
const MAX_KEY_OBJECTS = 64

/**
 * Returns the key for OpenSSL. Caches it, because making it takes half as long as verifying a signature, and
 * few keys sign most packages.
 */
function publicKeyObject({ raw }: PublicKey): KeyObject {
  const name = raw.toString('base64')
  const known = publicKeyObjects.get(name)
  if (known !== undefined) return known
  const made = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' })
  if (publicKeyObjects.size >= MAX_KEY_OBJECTS) publicKeyObjects.clear()
  publicKeyObjects.set(name, made)
  return made
}

function privateKeyObject(secret: SecretKey): KeyObject {
  const pkcs8 = Buffer.concat([PKCS8_PREFIX, secret.raw.subarray(0, 32)])
  return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
}

function parseKeyFile(
  text: string,
  kind: 'SIG-PUB-1' | 'SIG-SEC-1',
  bytes: number,
): KeyName & { raw: Buffer } {
  const malformed = (why: string) =>
    new DepotError(kind === 'SIG-PUB-1' ? 'key_malformed' : 'secret_key_malformed', `not a key file: ${why}`)
  if (text.length > MAX_KEY_FILE_BYTES) throw malformed(`it is longer than ${MAX_KEY_FILE_BYTES} characters`)
  const [version = '', nameLine = '', , ...body] = text.split('\n').map((line) => line.trim())
  if (version !== kind) throw malformed(`it starts with ${quote(version)}, not ${kind}`)
  const name = parseKeyName(nameLine)
  if (name === undefined) throw malformed(`${quote(nameLine)} is not the name of a key`)
  const encoded = body.join('')
  const raw = Buffer.from(encoded, 'base64')
  if (raw.length !== bytes || raw.toString('base64') !== encoded)
    throw malformed(`it does not contain ${bytes} bytes in base64`)
  return { ...name, raw }
}
