import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

// Stored secrets: {key id}.{base64url of nonce(12) ciphertext tag(16)}, AES-256-GCM. Each ciphertext names
// its key, so that a new key can be added beside the old one. The purpose is authenticated data, so that
// ciphertexts cannot be swapped.

const NONCE_BYTES = 12
const TAG_BYTES = 16

/** The length of the key id with which a ciphertext begins. */
export const KEY_ID_LENGTH = 8

/** Encrypts and decrypts secrets with one key of 32 bytes. */
export class SecretBox {
  readonly #key: Buffer
  /** The key's id in ciphertexts. */
  readonly keyId: string

  constructor(key: Buffer) {
    if (key.length !== 32) throw new Error(`the secret key must have 32 bytes, not ${key.length}`)
    this.#key = key
    this.keyId = createHash('sha256').update(key).digest('hex').slice(0, KEY_ID_LENGTH)
  }

  /** Encrypts a text. It can be decrypted only for the same purpose. */
  seal(text: string, purpose: string): string {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(purpose))
    const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return `${this.keyId}.${sealed.toString('base64url')}`
  }

  /** Decrypts a text. Throws if it was encrypted with another key or for another purpose, or was altered. */
  open(sealed: string, purpose: string): string {
    const [id, encoded = ''] = sealed.split('.')
    if (id !== this.keyId)
      throw new Error(
        `the secret was encrypted with the key ${id ?? ''}, which is not the one this depot was started with`,
      )
    const bytes = Buffer.from(encoded, 'base64url')
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, NONCE_BYTES))
    decipher.setAAD(Buffer.from(purpose)).setAuthTag(bytes.subarray(-TAG_BYTES))
    try {
      return Buffer.concat([
        decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)),
        decipher.final(),
      ]).toString('utf8')
    } catch (cause) {
      throw new Error('the secret was altered, or is for another purpose', { cause })
    }
  }
}
