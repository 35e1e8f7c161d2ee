import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Leadership, StopLeading } from '../cluster/leadership.ts'
import type { Collector } from './collect.ts'
import type { Retention } from './retention.ts'
import type { Scrub } from './scrub.ts'
import type { OpenedFiles } from '../database/opened-files.ts'

const CHECK_EVERY_MS = 1_000
/** The delay before the first work. Without it, the start of the depot would be slower. */
const FIRST_RUN_AFTER_MS = 60_000

/** The background work of a depot, in the thread that opened the depot. The caller closes it. */
export class Upkeep {
  readonly scrub: Scrub
  readonly collector: Collector
  readonly retention: Retention
  readonly #files: OpenedFiles
  readonly #log: Logger
  readonly #abort = new AbortController()
  readonly #leadership: Leadership | undefined
  #stopLeading: StopLeading | undefined
  #isGone = false
  #timer: NodeJS.Timeout | undefined
  #running: Promise<unknown> = Promise.resolve()

  constructor({
    files,
    log,
    scrub,
    collector,
    retention,
    leadership,
  }: {
    files: OpenedFiles
    log: Logger
    scrub: Scrub
    collector: Collector
    retention: Retention
    /** Absent if no other process works on the same depot. */
    leadership: Leadership | undefined
  }) {
    this.#leadership = leadership
    this.scrub = scrub
    this.collector = collector
    this.retention = retention
    this.#files = files
    this.#log = log
  }

  /** Watches the files from now on. Scrubbing, collecting and retention begin after `firstAfterMs`. */
  start(firstAfterMs = FIRST_RUN_AFTER_MS): void {
    this.#timer = setInterval(() => this.checkFiles(), CHECK_EVERY_MS).unref()
    if (this.#leadership === undefined) this.#running = this.#work(this.#abort.signal, firstAfterMs)
    else
      this.#stopLeading = this.#leadership.whileLeading('upkeep', (signal) =>
        this.#work(signal, firstAfterMs),
      )
  }

  async #work(signal: AbortSignal, firstAfterMs: number): Promise<void> {
    await sleep(firstAfterMs, undefined, { signal, ref: false }).catch(() => undefined)
    if (!signal.aborted)
      await Promise.all([this.scrub.run(signal), this.collector.run(signal), this.retention.run(signal)])
  }

  /** Stops the work in progress and stores its position. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#abort.abort()
    await this.#stopLeading?.()
    await this.#running
  }

  /** Checks that the opened files are still in their places, and logs when they vanish or return. */
  checkFiles(): void {
    const path = this.#files.findGone()
    if (this.#isGone === (path !== undefined)) return
    this.#isGone = path !== undefined
    if (this.#isGone)
      this.#log.fatal(
        { path },
        'the data folder was removed or replaced while the depot ran, so every change is refused: put the folder back, or restart the depot',
      )
    else this.#log.warn('the data folder is back: changes are accepted again')
  }
}
