import type { Out } from '../io.ts'
import { printable } from '../../text/columns.ts'
import type { Reporter } from '../../remote/attempt.ts'

/** The number of items for each line, unless the output is a terminal. */
const ITEMS_PER_LINE = 100

/**
 * Shows the progress of an import or a pull: on a terminal in one line that changes, elsewhere in a line for
 * every hundred items.
 */
export class Progress implements Reporter {
  readonly failures: { what: string; why: string }[] = []
  readonly notes: string[] = []
  readonly #out: Out
  #what = ''
  #total: number | undefined
  #done = 0

  constructor(out: Out) {
    this.#out = out
  }

  begin(what: string, total?: number): void {
    this.#what = what
    this.#total = total
    this.#done = 0
    if (total !== 0) this.#show({ inLog: true })
  }

  advance(by = 1): void {
    const linesBefore = Math.floor(this.#done / ITEMS_PER_LINE)
    this.#done += by
    this.#show({ inLog: Math.floor(this.#done / ITEMS_PER_LINE) > linesBefore })
  }

  fail(what: string, why: string): void {
    this.failures.push({ what, why })
    this.#printLine(`failed: ${what}: ${why}`)
  }

  note(text: string): void {
    this.notes.push(text)
    this.#printLine(`note: ${text}`)
  }

  /** Clears the line on a terminal. */
  end(): void {
    if (this.#out.isTTY === true) this.#out.write('\r\u001B[K')
  }

  #printLine(text: string): void {
    this.end()
    // Texts of another depot must not control the terminal.
    this.#out.write(`${printable(text)}\n`)
    if (this.#out.isTTY === true) this.#show()
  }

  /** Redraws the line on a terminal. Elsewhere, prints a line if `inLog` is true. */
  #show({ inLog = false } = {}): void {
    const count = this.#done === 0 && this.#total === undefined ? '' : ` ${this.#done}`
    const total = this.#total === undefined ? '' : ` of ${this.#total}`
    const line = `${this.#what}${count}${total}`
    if (this.#out.isTTY === true) this.#out.write(`\r${line}\u001B[K`)
    else if (inLog) this.#out.write(`${line}\n`)
  }
}
