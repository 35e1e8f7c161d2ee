import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
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
  #isGone = false
  #timer: NodeJS.Timeout | undefined
  #running: Promise<unknown> = Promise.resolve()

  constructor({
    files,
    log,
    scrub,
    collector,
    retention,
  }: {
    files: OpenedFiles
    log: Logger
    scrub: Scrub
    collector: Collector
    retention: Retention
  }) {
    this.scrub = scrub
    this.collector = collector
    this.retention = retention
    this.#files = files
    this.#log = log
  }

  /** Watches the files from now on. Scrubbing, collecting and retention begin after `firstAfterMs`. */
  start(firstAfterMs = FIRST_RUN_AFTER_MS): void {
    this.#timer = setInterval(() => this.checkFiles(), CHECK_EVERY_MS).unref()
    const { signal } = this.#abort
    this.#running = sleep(firstAfterMs, undefined, { signal, ref: false }).then(
      () => Promise.all([this.scrub.run(signal), this.collector.run(signal), this.retention.run(signal)]),
      () => undefined, // the depot was closed before
    )
  }

  /** Stops the work in progress and stores its position. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#abort.abort()
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
