import { Transform } from 'node:stream'
import type { TransformCallback } from 'node:stream'

const RESULT = /^( *)(not )?ok \d+ - (.*?)(?: # time=(\S+))?$/
const SUBTEST = /^( *)# Subtest: (.*)$/

/** Reduces the output of tap to one line per file, each failure with its details, and the counts at the end. */
// oxlint-disable-next-line import/no-default-export -- tap loads a reporter by its default export
export default class Reporter extends Transform {
  #rest = ''
  /** The subtests around the current line, from the outside in, each with its depth of indentation. */
  #path: { readonly depth: number; readonly name: string }[] = []
  /** A failed assertion, whose details follow if there are any. */
  #failed: string | undefined
  #detailsDepth: number | undefined

  override _transform(chunk: Buffer | string, _encoding: BufferEncoding, done: TransformCallback): void {
    const lines = (this.#rest + chunk.toString()).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#read(line)
    done()
  }

  override _flush(done: TransformCallback): void {
    this.#read(this.#rest)
    done()
  }

  #read(line: string): void {
    if (this.#detailsDepth !== undefined) {
      this.#say(line.slice(this.#detailsDepth))
      if (line === `${' '.repeat(this.#detailsDepth)}...`) this.#detailsDepth = undefined
      return
    }
    const failed = this.#failed
    this.#failed = undefined
    if (failed !== undefined && line.trim() === '---') {
      this.#say(failed)
      this.#detailsDepth = line.length - 3
      return
    }
    const subtest = SUBTEST.exec(line)
    if (subtest !== null) {
      const [, indent = '', name = ''] = subtest
      this.#leave(indent.length)
      this.#path.push({ depth: indent.length, name })
      return
    }
    const result = RESULT.exec(line)
    if (result !== null) {
      const [, indent = '', not, name = '', time] = result
      this.#leave(indent.length)
      const isParent = indent !== '' && time !== undefined
      if (not !== undefined && !isParent)
        this.#failed = ['not ok', ...this.#path.map((each) => each.name), name].join(' > ')
      if (
        indent.length <= 4 &&
        name.endsWith('.ts') &&
        (not !== undefined || !name.startsWith('test/suites/'))
      )
        this.#say(`${not === undefined ? 'ok' : 'FAILED'} ${name}${time === undefined ? '' : ` ${time}`}`)
      return
    }
    if (/^# (?:\{ total:|time=)/.test(line) || line.startsWith('Bail out!')) this.#say(line)
  }

  #leave(depth: number): void {
    while ((this.#path.at(-1)?.depth ?? -1) >= depth) this.#path.pop()
  }

  #say(line: string): void {
    this.push(`${line}\n`)
  }
}
