import { until } from '../until.ts'

interface Waiting {
  readonly at: number
  readonly act: () => void
}

/** Timers that a test advances. */
export class ManualTimers {
  #now = 0
  readonly #waiting = new Set<Waiting>()

  readonly after = (ms: number, act: () => void): (() => void) => {
    const waiting = { at: this.#now + ms, act }
    this.#waiting.add(waiting)
    return () => this.#waiting.delete(waiting)
  }

  /** Advances the time, and runs all timers that are due, the earliest first. */
  advance(ms: number): void {
    this.#now += ms
    const due = [...this.#waiting].filter(({ at }) => at <= this.#now).toSorted((a, b) => a.at - b.at)
    for (const waiting of due) {
      if (this.#waiting.delete(waiting)) waiting.act()
    }
  }

  /**
   * Waits for a timer of about this duration, and advances the time by it. Durations may be slightly shorter,
   * because each reading moves the clock.
   */
  async pass(ms: number): Promise<void> {
    await until(`a timer waits for ${ms} ms`, () => this.isWaiting(ms))
    this.advance(ms)
  }

  isWaiting(ms: number): boolean {
    return [...this.#waiting].some(({ at }) => at - this.#now > ms * 0.8 && at - this.#now <= ms)
  }
}
