import sodium from 'sodium-native'

const DIGEST_BYTES = 32

/** BLAKE2b-256 without a key, the hash of everything in Habitat; node:crypto has only the one of 64 bytes. */
export class Blake2b {
  readonly #state = Buffer.alloc(sodium.crypto_generichash_STATEBYTES)

  constructor() {
    sodium.crypto_generichash_init(this.#state, undefined, DIGEST_BYTES)
  }

  update(bytes: Uint8Array): this {
    sodium.crypto_generichash_update(this.#state, bytes)
    return this
  }

  /** 64 lower-case hexadecimal characters. Ends the hash: call it once. */
  digest(): string {
    const digest = Buffer.alloc(DIGEST_BYTES)
    sodium.crypto_generichash_final(this.#state, digest)
    return digest.toString('hex')
  }
}
