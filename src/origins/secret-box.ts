import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

// Stored secrets: {key id}.{base64url of nonce(12) ciphertext tag(16)}, AES-256-GCM. Each ciphertext names
// its key, so that several keys can be in use while secrets are encrypted again. The purpose is authenticated
// data, so that ciphertexts cannot be swapped.

const NONCE_BYTES = 12
const TAG_BYTES = 16

/** The length of the key id with which a ciphertext begins. */
export const KEY_ID_LENGTH = 8

/**
 * The length of the part of a ciphertext that no other one has: key id, dot and nonce. It suffices to tell
 * whether a stored secret is still the one that was read.
 */
export const CIPHERTEXT_ID_LENGTH = KEY_ID_LENGTH + 1 + (NONCE_BYTES / 3) * 4

/** Returns the id that ciphertexts give a key: the first characters of its SHA-256. */
export function secretKeyId(key: Buffer): string {
  return createHash('sha256').update(key).digest('hex').slice(0, KEY_ID_LENGTH)
}

/** Encrypts secrets with the first of its keys, and decrypts them with any. */
export class SecretBox {
  #keys: ReadonlyMap<string, Buffer>
  readonly #reread: () => readonly Buffer[]

  /**
   * Each key has 32 bytes. `reread` returns the present keys; it is called before a secret is encrypted, and
   * if the key of a ciphertext is unknown, so that a running depot learns of a new key. While it throws, the
   * known keys stay.
   */
  constructor(keys: readonly Buffer[], reread: () => readonly Buffer[] = () => keys) {
    this.#keys = byId(keys)
    this.#reread = reread
  }

  /** The id of the key that encrypts. */
  get keyId(): string {
    const [id = ''] = this.#keys.keys()
    return id
  }

  /** Reports whether secrets that a key encrypted can be decrypted. */
  has(keyId: string): boolean {
    if (!this.#keys.has(keyId)) this.#refresh()
    return this.#keys.has(keyId)
  }

  /** Encrypts a text. It can be decrypted only for the same purpose. */
  seal(text: string, purpose: string): string {
    this.#refresh()
    const [[id, key] = []] = this.#keys
    if (id === undefined || key === undefined) throw new Error('there is no key to encrypt secrets with')
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(purpose))
    const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return `${id}.${sealed.toString('base64url')}`
  }

  /** Decrypts a text. Throws if its key is absent, or if it is for another purpose or was altered. */
  open(sealed: string, purpose: string): string {
    const [id = '', encoded = ''] = sealed.split('.')
    const key = this.has(id) ? this.#keys.get(id) : undefined
    if (key === undefined)
      throw new Error(`the secret was encrypted with the key ${id}, which this depot does not have`)
    const bytes = Buffer.from(encoded, 'base64url')
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES))
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

  #refresh(): void {
    let present: readonly Buffer[]
    try {
      present = this.#reread()
    } catch {
      return
    }
    // Secrets that were encrypted just before a key was removed can still be decrypted.
    this.#keys = new Map([...byId(present), ...this.#keys])
  }
}

function byId(keys: readonly Buffer[]): Map<string, Buffer> {
  const wrong = keys.find((key) => key.length !== 32)
  if (wrong !== undefined) throw new Error(`the secret key must have 32 bytes, not ${wrong.length}`)
  return new Map(keys.map((key) => [secretKeyId(key), key]))
}
