import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { LineCounter, isMap, isNode, isScalar, parseDocument } from 'yaml'
import { RequestRefused } from '../../client/errors.ts'
import type { Problem } from '../../client/errors.ts'
import { pathOf } from '../io.ts'
import type { Io } from '../io.ts'
import { UsageError } from '../exit-codes.ts'

type Cause = NonNullable<Problem['errors']>[number]

/** How the depot begins the detail of a field that it does not know. Its pointer has the name. */
const UNKNOWN_FIELD = 'unknown field'

/** The content of a YAML file whose faults can be reported with their place. */
export interface YamlFile {
  readonly value: unknown
  /** Describes where the value at a JSON pointer is, or else the nearest value around it. */
  placeOf(pointer: string): string
  /** Describes where the key at a JSON pointer is, for keys that should not be there. */
  placeOfKey(pointer: string): string
  /** Formats a cause for which the depot rejects the value, with its place. */
  explain(cause: Cause): string
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

  function placeOf(pointer: string): string {
    const keys = pointer.split('/').slice(1)
    for (let depth = keys.length; depth > 0; depth -= 1) {
      const node = document.getIn(keys.slice(0, depth), true)
      if (isNode(node) && node.range) return `${placeIn(node.range[0])} (${keys.join('.')})`
    }
    return name
  }

  function placeOfKey(pointer: string): string {
    const keys = pointer.split('/').slice(1)
    const map = keys.length === 1 ? document.contents : document.getIn(keys.slice(0, -1), true)
    const pair = isMap(map)
      ? map.items.find(({ key }) => isScalar(key) && String(key.value) === keys.at(-1))
      : undefined
    return isScalar(pair?.key) && pair.key.range ? placeIn(pair.key.range[0]) : placeOf(pointer)
  }

  function explain({ pointer = '', detail }: Cause): string {
    if (!detail.startsWith(UNKNOWN_FIELD)) return `${placeOf(pointer)}: ${detail}`
    const field = JSON.stringify(pointer.split('/').at(-1))
    return `${placeOfKey(pointer)}: ${UNKNOWN_FIELD} ${field}${detail.slice(UNKNOWN_FIELD.length)}`
  }

  return {
    value: document.toJS(),
    placeOf,
    placeOfKey,
    explain,
    async send(request) {
      try {
        return await request()
      } catch (refusal) {
        const [fault] = refusal instanceof RequestRefused ? (refusal.problem.errors ?? []) : []
        if (fault === undefined) throw refusal
        throw new UsageError(explain(fault))
      }
    },
  }
}
