import type { Logger } from 'pino'
import type { Collector } from './collect.ts'
import type { Scrub } from './scrub.ts'
import type { OpenedFiles } from '../database/opened-files.ts'

const LOOK_MS = 1_000

/** What a depot does by itself while it serves. One thread of a depot does it. The caller closes it. */
export class Upkeep {
  readonly scrub: Scrub
  readonly collector: Collector
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
  }: {
    files: OpenedFiles
    log: Logger
    scrub: Scrub
    collector: Collector
  }) {
    this.scrub = scrub
    this.collector = collector
    this.#files = files
    this.#log = log
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_MS).unref()
    const { signal } = this.#abort
    this.#running = Promise.all([this.scrub.run(signal), this.collector.run(signal)])
  }

  /** Ends what it is doing; what it had done is noted. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#abort.abort()
    await this.#running
  }

  /** Looks whether the files of the depot are there, and tells the log when that changes. */
  look(): void {
    const path = this.#files.findGone()
    if (this.#isGone === (path !== undefined)) return
    this.#isGone = path !== undefined
    if (this.#isGone)
      this.#log.fatal(
        { path },
        'the data folder was removed or replaced while the depot ran: every change is refused; put it back, or restart the depot',
      )
    else this.#log.warn('the data folder is back: changes are taken again')
  }
}
