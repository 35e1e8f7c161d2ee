import { createBLAKE2b } from 'hash-wasm'

const DIGEST_BITS = 256
/** One for all, by turns: making it takes a promise, and its memory is more than a state's. */
const hasher = await createBLAKE2b(DIGEST_BITS)
let turn: Kept | undefined

interface Kept {
  /** While it is another's turn; absent before the first. */
  state?: Uint8Array
}

/** BLAKE2b-256 without a key, the hash of everything in Habitat; node:crypto has only the one of 64 bytes. */
export class Blake2b {
  readonly #kept: Kept = {}

  update(bytes: Uint8Array): this {
    this.#begin()
    hasher.update(bytes)
    return this
  }

  /** 64 lower-case hexadecimal characters. Ends the hash: call it once. */
  digest(): string {
    this.#begin()
    turn = undefined
    return hasher.digest()
  }

  #begin(): void {
    if (turn === this.#kept) return
    if (turn !== undefined) turn.state = hasher.save()
    turn = this.#kept
    if (this.#kept.state === undefined) hasher.init()
    else hasher.load(this.#kept.state)
  }
}
