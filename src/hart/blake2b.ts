import { createBLAKE2b } from 'hash-wasm'

const DIGEST_BITS = 256
/**
 * All hashes share one instance, because creating one is asynchronous and takes more memory than a saved
 * state.
 */
const hasher = await createBLAKE2b(DIGEST_BITS)
let current: Kept | undefined

interface Kept {
  /** The saved state while another hash uses the instance; `undefined` before the first update. */
  state: Uint8Array | undefined
}

/** BLAKE2b-256 without a key, which Habitat uses for every hash. node:crypto has only BLAKE2b-512. */
export class Blake2b {
  readonly #kept: Kept

  /** Begins a hash, or goes on with one that {@link save} saved, in this thread or another. */
  constructor(state?: Uint8Array) {
    this.#kept = { state }
  }

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

  /** Returns the state after the bytes so far. */
  save(): Uint8Array {
    this.#begin()
    current = undefined
    this.#kept.state = hasher.save()
    return this.#kept.state
  }

  #begin(): void {
    if (current === this.#kept) return
    if (current !== undefined) current.state = hasher.save()
    current = this.#kept
    if (this.#kept.state === undefined) hasher.init()
    else hasher.load(this.#kept.state)
  }
}
