/** A name, how often it was counted, and when last (epoch milliseconds). */
export interface CountedName {
  readonly name: string
  readonly polls: number
  readonly lastAt: number
}

const MAX_NAME_LENGTH = 300
const DAY_MS = 86_400_000
/** How many old names are compared to make room for a new one. */
const CANDIDATES = 16

/**
 * Counts by name, at most `max` names for a day, so that invented names fill no memory. A new name replaces
 * one that has not been counted for long.
 */
export class CountedNames {
  readonly #max: number
  /** Names that were added or spared longest ago come first. */
  readonly #names = new Map<string, { polls: number; lastAt: number }>()

  constructor(max: number) {
    this.#max = max
  }

  add(name: string, now: number): void {
    const known = this.#names.get(name)
    if (known !== undefined) {
      known.polls += 1
      known.lastAt = now
      return
    }
    if (name.length > MAX_NAME_LENGTH) return
    if (this.#names.size >= this.#max) this.#dropOne()
    this.#names.set(name, { polls: 1, lastAt: now })
  }

  /** Lists the names that were counted in the last day. */
  list(now: number): CountedName[] {
    return [...this.#names].flatMap(([name, counted]) =>
      now - counted.lastAt < DAY_MS ? [{ name, ...counted }] : [],
    )
  }

  /** Removes the name that was counted longest ago among some old ones, and spares the others for a while. */
  #dropOne(): void {
    const candidates: [string, { polls: number; lastAt: number }][] = []
    for (const entry of this.#names) if (candidates.push(entry) === CANDIDATES) break
    candidates.sort(([, one], [, other]) => one.lastAt - other.lastAt)
    for (const [index, [name, counted]] of candidates.entries()) {
      this.#names.delete(name)
      if (index > 0) this.#names.set(name, counted)
    }
  }
}
