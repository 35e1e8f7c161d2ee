export interface CountedName {
  readonly name: string
  /** How many polls had the name. */
  readonly polls: number
  /** When the last of them came, in epoch milliseconds. */
  readonly lastAt: number
}

const MAX_NAME_LENGTH = 300
const DAY_MS = 86_400_000
/** How many old names are compared to make room for a new one. */
const CANDIDATES = 16

/**
 * Counts polls by a name in them, for a day after the last one. Keeps at most `max` names, so that invented
 * names do not fill the memory: a new name replaces one that was not counted for a long time.
 */
export class CountedNames {
  readonly #max: number
  /** In the order in which names were added, or spared by {@link #dropOne}. */
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

  /**
   * Compares the first names. Removes the one that was counted longest ago, and moves the others to the end.
   */
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
