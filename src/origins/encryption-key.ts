import { generateKeyPairSync } from 'node:crypto'
import { formatKeyName, revisionAt } from '../hart/origin-key.ts'
import type { KeyName } from '../hart/origin-key.ts'

// Key files of the pair that encrypts an origin's secrets (X25519, libsodium's crypto_box; habitat-today.md
// 1.9):
//
//   BOX-PUB-1 | BOX-SEC-1
//   {origin}-{revision}
//   (empty)
//   base64 of the raw key           32 bytes each

// DER that comes before a raw X25519 key (RFC 8410): SubjectPublicKeyInfo, and PKCS #8.
const SPKI_PREFIX_BYTES = 12
const PKCS8_PREFIX_BYTES = 16

/** Makes the key files of a new pair, named after `origin` and the second of `at` (epoch milliseconds). */
export function generateEncryptionKey(
  origin: string,
  at: number,
): KeyName & { publicBody: string; secretBody: string } {
  const { publicKey, privateKey } = generateKeyPairSync('x25519')
  const name = { origin, revision: revisionAt(at) }
  const publicRaw = publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX_BYTES)
  const secretRaw = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(PKCS8_PREFIX_BYTES)
  return {
    ...name,
    publicBody: keyFile('BOX-PUB-1', name, publicRaw),
    secretBody: keyFile('BOX-SEC-1', name, secretRaw),
  }
}

function keyFile(version: string, name: KeyName, raw: Buffer): string {
  return `${version}\n${formatKeyName(name)}\n\n${raw.toString('base64')}`
}
