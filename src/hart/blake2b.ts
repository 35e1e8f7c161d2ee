import { createBLAKE2b } from 'hash-wasm'

const DIGEST_BITS = 256
/**
 * The instance that all hashes of this thread share, because creating one is asynchronous, and takes more
 * memory than a saved state.
 */
const hasher = await createBLAKE2b(DIGEST_BITS)
/** The hash whose state is in the instance. */
let current: SavedState | undefined

interface SavedState {
  /** The saved state while another hash uses the instance; `undefined` before the first update. */
  state: Uint8Array | undefined
}

/** BLAKE2b-256 without a key, which Habitat uses for every hash. node:crypto has only BLAKE2b-512. */
export class Blake2b {
  readonly #saved: SavedState

  /** Begins a hash, or goes on with one that {@link save} saved, in this thread or another. */
  constructor(state?: Uint8Array) {
    this.#saved = { state }
  }

  update(bytes: Uint8Array): this {
    this.#load()
    hasher.update(bytes)
    return this
  }

  /** Returns 64 lowercase hex characters. Call it once, at the end. */
  digest(): string {
    this.#load()
    current = undefined
    return hasher.digest()
  }

  /** Returns the state after the bytes so far. */
  save(): Uint8Array {
    this.#load()
    current = undefined
    this.#saved.state = hasher.save()
    return this.#saved.state
  }

  /** Puts the state of this hash into the instance. */
  #load(): void {
    if (current === this.#saved) return
    if (current !== undefined) current.state = hasher.save()
    current = this.#saved
    if (this.#saved.state === undefined) hasher.init()
    else hasher.load(this.#saved.state)
  }
}
