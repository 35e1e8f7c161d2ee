import type { Logger } from 'pino'
import type { OpenedFiles } from './database/opened-files.ts'

const LOOK_MS = 1_000

/** What a depot does by itself while it serves. One thread of a depot does it. The caller closes it. */
export class Upkeep {
  readonly #files: OpenedFiles
  readonly #log: Logger
  #isGone = false
  #timer: NodeJS.Timeout | undefined

  constructor({ files, log }: { files: OpenedFiles; log: Logger }) {
    this.#files = files
    this.#log = log
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_MS).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** Looks whether the files of the depot are there, and tells the log when that changes. */
  look(): void {
    const path = this.#files.findGone()
    if (this.#isGone === (path !== undefined)) return
    this.#isGone = path !== undefined
    if (this.#isGone) this.#log.fatal({ path }, 'the data folder was removed or replaced while the depot ran: every change is refused; put it back, or restart the depot')
    else this.#log.warn('the data folder is back: changes are taken again')
  }
}
