import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { LineCounter, isNode, parseDocument } from 'yaml'
import { RequestRefused } from '../../client/errors.ts'
import { pathOf } from '../io.ts'
import type { Io } from '../io.ts'
import { UsageError } from '../exit-codes.ts'

export interface YamlFile {
  readonly value: unknown
  /** Sends the value. Throws a UsageError with the line and the column if the depot rejects a part of it. */
  send<Answer>(request: () => Promise<Answer>): Promise<Answer>
}

/**
 * Reads a YAML or JSON file, or stdin for `-`. Throws a UsageError with the line and the column of a mistake.
 */
export async function readYaml(io: Io, file: string): Promise<YamlFile> {
  const source = file === '-' ? await text(io.stdin) : await readFile(pathOf(io, file), 'utf8')
  const name = file === '-' ? 'stdin' : file
  const lines = new LineCounter()
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) throw new UsageError(`${placeIn(error.pos[0])}: ${error.message}`)

  function placeIn(offset: number): string {
    const { line, col } = lines.linePos(offset)
    return `${name}, line ${line}, column ${col}`
  }

  /** The place of the value at a JSON pointer, or of the nearest value around it. */
  function placeOf(pointer: string): string {
    const keys = pointer.split('/').slice(1)
    for (let depth = keys.length; depth > 0; depth -= 1) {
      const node = document.getIn(keys.slice(0, depth), true)
      if (isNode(node) && node.range) return `${placeIn(node.range[0])} (${keys.join('.')})`
    }
    return name
  }

  return {
    value: document.toJS(),
    async send(request) {
      try {
        return await request()
      } catch (refusal) {
        const [fault] = refusal instanceof RequestRefused ? (refusal.problem.errors ?? []) : []
        if (fault === undefined) throw refusal
        throw new UsageError(`${placeOf(fault.pointer ?? '')}: ${fault.detail}`)
      }
    },
  }
}
