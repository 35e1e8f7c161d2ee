import { until } from './until.ts'

interface Waiting {
  readonly at: number
  readonly act: () => void
}

/** Timers that run when a test says so. */
export class ManualTimers {
  #now = 0
  readonly #waiting = new Set<Waiting>()

  readonly after = (ms: number, act: () => void): (() => void) => {
    const waiting = { at: this.#now + ms, act }
    this.#waiting.add(waiting)
    return () => this.#waiting.delete(waiting)
  }

  /** Lets time pass: what is due then runs, the earliest first. */
  advance(ms: number): void {
    this.#now += ms
    const due = [...this.#waiting].filter(({ at }) => at <= this.#now).toSorted((a, b) => a.at - b.at)
    for (const waiting of due) {
      if (this.#waiting.delete(waiting)) waiting.act()
    }
  }

  /** Waits until somebody waits for about so long (a clock that moves with each look makes it a little less), and lets that pass. */
  async pass(ms: number): Promise<void> {
    await until(() => this.isWaiting(ms))
    this.advance(ms)
  }

  isWaiting(ms: number): boolean {
    return [...this.#waiting].some(({ at }) => at - this.#now > ms * 0.8 && at - this.#now <= ms)
  }
}
