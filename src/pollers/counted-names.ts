/** A name, how often it was counted, and when last (epoch milliseconds). */
export interface CountedName {
  readonly name: string
  readonly polls: number
  readonly lastAt: number
}

const MAX_NAME_LENGTH = 300
const DAY_MS = 86_400_000

/**
 * Counts by name. Keeps the names that were counted last, at most `max` of them and for a day, so that
 * invented names fill no memory.
 */
export class CountedNames {
  readonly #max: number
  /** The name that was counted longest ago comes first. */
  readonly #names = new Map<string, { polls: number; lastAt: number }>()

  constructor(max: number) {
    this.#max = max
  }

  add(name: string, now: number): void {
    if (name.length > MAX_NAME_LENGTH) return
    const known = this.#names.get(name)
    if (known !== undefined) this.#names.delete(name)
    else if (this.#names.size >= this.#max) this.#dropOldest()
    this.#names.set(name, { polls: (known?.polls ?? 0) + 1, lastAt: now })
  }

  /** Lists the names that were counted in the last day. */
  list(now: number): CountedName[] {
    return [...this.#names].flatMap(([name, counted]) =>
      now - counted.lastAt < DAY_MS ? [{ name, ...counted }] : [],
    )
  }

  #dropOldest(): void {
    const [oldest] = this.#names.keys()
    if (oldest !== undefined) this.#names.delete(oldest)
  }
}
