import { styleText } from 'node:util'
import type { Command } from '@commander-js/extra-typings'
import { formatColumns, wholeSeconds } from '../text/columns.ts'
import { usesColour, widthOf } from './io.ts'
import type { Io } from './io.ts'

/** Adds the options of every command that has a result. */
export function outputOptions(command: Command) {
  return command
    .option('--json', 'print one JSON document')
    .option('-q, --quiet', 'print only names, or nothing')
}

export interface OutputOptions {
  readonly json?: boolean | undefined
  readonly quiet?: boolean | undefined
}

type Style = Parameters<typeof styleText>[0]

/** Writes the result of a command to stdout, in the form that its options choose. */
export class Output {
  readonly #io: Io
  readonly #options: OutputOptions

  constructor(io: Io, options: OutputOptions) {
    this.#io = io
    this.#options = options
  }

  /**
   * Writes `document` with `--json`, the lines of `brief` with `--quiet`, and else the text of `whole`. An
   * empty text writes nothing.
   */
  show(
    document: unknown,
    { whole, brief = () => [] }: { whole: () => string; brief?: () => string[] },
  ): void {
    const { json, quiet } = this.#options
    const text =
      json === true ? JSON.stringify(document, undefined, 2) : quiet === true ? brief().join('\n') : whole()
    if (text !== '') this.#io.stdout.write(`${text}\n`)
  }

  /** Writes a text before the result, unless `--json` or `--quiet` is given. */
  print(text: string): void {
    const { json, quiet } = this.#options
    if (json !== true && quiet !== true) this.#io.stdout.write(`${text}\n`)
  }

  /**
   * Formats a table that fits the terminal, with times in whole seconds. Nothing is cut where the output is
   * not a terminal.
   */
  table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
    const cells = rows.map((row) => row.map(wholeSeconds))
    return formatColumns(heading, cells, widthOf(this.#io.stdout))
  }

  /** Styles a text if stdout is a terminal that shows colours. */
  style(style: Style, text: string): string {
    return usesColour(this.#io, this.#io.stdout) ? styleText(style, text, { validateStream: false }) : text
  }

  /** Writes a remark to stderr, unless `--quiet` is given. */
  note(text: string): void {
    if (this.#options.quiet !== true) this.#io.stderr.write(`${text}\n`)
  }
}
