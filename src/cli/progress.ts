import type { Reporter } from '../remote/attempt.ts'

/** How many items pass between two lines, unless the output is a terminal. */
const EVERY = 100

/** Shows the progress of an import or a pull: on a terminal in one line that changes, elsewhere in a few lines. */
export class Progress implements Reporter {
  readonly failures: { what: string; why: string }[] = []
  readonly notes: string[] = []
  readonly #out: { isTTY?: boolean; write(text: string): unknown }
  #what = ''
  #total: number | undefined
  #done = 0

  constructor(out: { isTTY?: boolean; write(text: string): unknown }) {
    this.#out = out
  }

  begin(what: string, total?: number): void {
    this.#what = what
    this.#total = total
    this.#done = 0
    if (total !== 0) this.#show(true)
  }

  advance(): void {
    this.#done += 1
    this.#show(this.#done % EVERY === 0)
  }

  fail(what: string, why: string): void {
    this.failures.push({ what, why })
    this.#say(`failed: ${what}: ${why}`)
  }

  note(text: string): void {
    this.notes.push(text)
    this.#say(`note: ${text}`)
  }

  /** Clears the line on a terminal. */
  end(): void {
    if (this.#out.isTTY === true) this.#out.write('\r\u001B[K')
  }

  #say(text: string): void {
    this.end()
    this.#out.write(`${text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')}\n`)
    if (this.#out.isTTY === true) this.#show(true)
  }

  #show(isWorthALine: boolean): void {
    const line = `${this.#what}${this.#done === 0 && this.#total === undefined ? '' : ` ${this.#done}`}${this.#total === undefined ? '' : ` of ${this.#total}`}`
    if (this.#out.isTTY === true) this.#out.write(`\r${line}\u001B[K`)
    else if (isWorthALine) this.#out.write(`${line}\n`)
  }
}
