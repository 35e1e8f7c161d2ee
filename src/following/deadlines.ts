const GRAIN_MS = 250

/**
 * Calls at a time to come, up to a quarter of a second late: who waits until about the same moment shares one timer, so that
 * thousands who wait cost no timer each. Time is monotonic: a clock that is set ends no wait, and prolongs none.
 */
export class Deadlines {
  readonly #moments = new Map<number, { readonly due: Set<() => void>; readonly timer: NodeJS.Timeout }>()

  /** `at` is of `performance.now()`. What is returned takes the call back. */
  add(at: number, call: () => void): () => void {
    const moment = Math.ceil(at / GRAIN_MS)
    const shared = this.#moments.get(moment) ?? this.#open(moment)
    shared.due.add(call)
    return () => {
      if (!shared.due.delete(call) || shared.due.size > 0 || this.#moments.get(moment) !== shared) return
      clearTimeout(shared.timer)
      this.#moments.delete(moment)
    }
  }

  /** How many timers are in use. */
  get timers(): number {
    return this.#moments.size
  }

  #open(moment: number) {
    const timer = setTimeout(
      () => {
        this.#moments.delete(moment)
        for (const call of shared.due) call()
      },
      Math.max(0, moment * GRAIN_MS - performance.now()),
    )
    const shared = { due: new Set<() => void>(), timer }
    this.#moments.set(moment, shared)
    return shared
  }
}
