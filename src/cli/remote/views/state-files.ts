import { RequestRefused } from '../../../client/errors.ts'
import type { DesiredState } from '../../../client/operations.ts'
import { didYouMean } from '../../../text/nearest.ts'
import { Exit, UsageError } from '../../exit-codes.ts'
import { exitCodeOf } from '../../failure.ts'
import type { Io } from '../../io.ts'
import { readYaml } from '../yaml-file.ts'
import type { YamlFile } from '../yaml-file.ts'

/** Views that YAML files describe. */
export interface StateFiles {
  readonly views: DesiredState['views']
  /** Returns the file, line and column of the part of the request at a JSON pointer, for messages. */
  placeOf(pointer: string): string
  /** Sends a request. If the depot rejects it, throws an error that names the place of each cause. */
  send<Answer>(request: () => Promise<Answer>): Promise<Answer>
}

/**
 * Reads the views of YAML or JSON files, or of stdin for `-`. Throws a UsageError that names the place of a
 * mistake. The depot checks the fields of the views.
 */
export async function readStateFiles(io: Io, names: readonly string[]): Promise<StateFiles> {
  const views: [string, object][] = []
  const files = new Map<string, YamlFile>()
  for (const name of names) {
    const file = await readYaml(io, name)
    const described = Object.entries(viewsIn(file, name))
    if (described.length === 0)
      throw new UsageError(`${name === '-' ? 'stdin' : name} describes no view below the key views`)
    for (const [view, desired] of described) {
      const place = file.placeOfKey(`/views/${view}`)
      if (files.has(view)) throw new UsageError(`${place}: ${view} is described a second time`)
      files.set(view, file)
      views.push([view, desired ?? {}])
    }
  }

  const fileOf = (pointer: string) => files.get(pointer.split('/')[2] ?? '')

  return {
    views: Object.fromEntries(views),
    placeOf: (pointer) => fileOf(pointer)?.placeOf(pointer) ?? names.join(', '),
    async send(request) {
      try {
        return await request()
      } catch (refusal) {
        const causes = refusal instanceof RequestRefused ? (refusal.problem.errors ?? []) : []
        if (causes.length === 0) throw refusal
        const lines = causes.map(
          (cause) => fileOf(cause.pointer ?? '')?.explain(cause) ?? `${names.join(', ')}: ${cause.detail}`,
        )
        const isMistake = refusal instanceof RequestRefused && refusal.status === 400
        throw isMistake ? new UsageError(lines.join('\n')) : new Exit(exitCodeOf(refusal), lines.join('\n'))
      }
    },
  }
}

/** Returns the content of `views` in a file. It is empty for an empty file. */
function viewsIn(file: YamlFile, name: string): Readonly<Record<string, unknown>> {
  if (file.value === null || file.value === undefined) return {}
  if (!isMapping(file.value)) throw new UsageError(`${name} must be a mapping with the key views`)
  const { views, ...others } = file.value
  const [other] = Object.keys(others)
  if (other !== undefined)
    throw new UsageError(
      `${file.placeOfKey(`/${other}`)}: there is no field ${JSON.stringify(other)} beside views${didYouMean(other, ['views'])}`,
    )
  if (views === null || views === undefined) return {}
  if (!isMapping(views))
    throw new UsageError(`${file.placeOf('/views')}: views must be a mapping of names to views`)
  return views
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
