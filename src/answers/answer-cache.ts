import type { PackageAnswer } from './package-answer.ts'

const MAX_BODY_BYTES = 64 * 1024 * 1024

/** Keeps answers in memory, up to a number of bytes. Evicts the oldest ones first. */
export class AnswerCache {
  /** By key, oldest first. */
  readonly #answers = new Map<string, PackageAnswer>()
  #bytes = 0

  get(key: string): PackageAnswer | undefined {
    return this.#answers.get(key)
  }

  /** Adds an answer, and replaces the one with the same key. */
  add(key: string, answer: PackageAnswer): void {
    this.evict(key)
    this.#answers.set(key, answer)
    this.#bytes += answer.bytes
    answer.setGrowthListener((bytes) => {
      this.#bytes += bytes
      this.#makeRoom()
    })
    this.#makeRoom()
  }

  /** Removes an answer, if it is there. */
  evict(key: string): void {
    const answer = this.#answers.get(key)
    if (answer === undefined) return
    answer.setGrowthListener(() => undefined) // a response may still use it
    this.#bytes -= answer.bytes
    this.#answers.delete(key)
  }

  #makeRoom(): void {
    for (const oldest of this.#answers.keys()) {
      if (this.#bytes <= MAX_BODY_BYTES) break
      this.evict(oldest)
    }
  }
}
