import { createBLAKE2b } from 'hash-wasm'

const DIGEST_BITS = 256
/** All hashes share one instance, because creating one is asynchronous and takes more memory than a saved state. */
const hasher = await createBLAKE2b(DIGEST_BITS)
let current: Kept | undefined

interface Kept {
  /** The saved state while another hash uses the instance; absent before the first update. */
  state?: Uint8Array
}

/** BLAKE2b-256 without a key, which Habitat uses for every hash. node:crypto has only BLAKE2b-512. */
export class Blake2b {
  readonly #kept: Kept = {}

  update(bytes: Uint8Array): this {
    this.#begin()
    hasher.update(bytes)
    return this
  }

  /** Returns 64 lowercase hex characters. Call it once, at the end. */
  digest(): string {
    this.#begin()
    current = undefined
    return hasher.digest()
  }

  #begin(): void {
    if (current === this.#kept) return
    if (current !== undefined) current.state = hasher.save()
    current = this.#kept
    if (this.#kept.state === undefined) hasher.init()
    else hasher.load(this.#kept.state)
  }
}
