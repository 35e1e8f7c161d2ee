const RESULT = /^( *)(not )?ok \d+ - (.*?)(?: # time=(\S+))?$/
const SUBTEST = /^( *)# Subtest: (.*)$/

/** Reads the output of tap, and collects the failed assertions with their paths and details. */
export class Failures {
  #rest = ''
  #text = ''
  /** The subtests around the current line, from the outside in, each with its depth of indentation. */
  #path: { readonly depth: number; readonly name: string }[] = []
  /** A failed assertion, whose details follow if there are any. */
  #failed: string | undefined
  #detailsDepth: number | undefined

  read(output: string): void {
    const lines = (this.#rest + output).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#read(line)
  }

  /** Returns the failures since the last call. */
  take(): string {
    const text = this.#text
    this.#text = ''
    return text
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
      // Only tests have a time. Their failed assertions are reported instead.
      if (not !== undefined && time === undefined)
        this.#failed = ['not ok', ...this.#path.map((each) => each.name), name].join(' > ')
    }
  }

  #leave(depth: number): void {
    while ((this.#path.at(-1)?.depth ?? -1) >= depth) this.#path.pop()
  }

  #say(line: string): void {
    this.#text += `${line}\n`
  }
}
