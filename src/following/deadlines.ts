/** Timers run out at multiples of this time. */
const GRAIN_MS = 250

/**
 * Calls functions at a later time, up to 250 ms late. Calls at about the same time share one timer, so
 * thousands of waiting requests need few timers. Time is monotonic: setting the clock changes no wait.
 */
export class Deadlines {
  /** The calls and the timer of each moment. A moment is a number of grains. */
  readonly #moments = new Map<number, { readonly due: Set<() => void>; readonly timer: NodeJS.Timeout }>()

  /** Schedules a call at a time of `performance.now()`. The returned function cancels it. */
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

  /** The number of timers in use. */
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
