import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { UsageError } from '../exit-codes.ts'

/** What Habitat's build program leaves of its last build. */
export interface LastBuild {
  /** The package file. */
  readonly file: string
  /** All variables of the file, such as `pkg_ident`. */
  readonly variables: Readonly<Record<string, string>>
}

export const LAST_BUILD = 'results/last_build.env'

/**
 * Reads a `last_build.env` (habitat-2016.md 6.2): `NAME=VALUE` in each line. The package is in the same
 * folder. Throws a UsageError if it names none.
 */
export async function readLastBuild(path: string): Promise<LastBuild> {
  const variables = Object.fromEntries(
    [...(await readFile(path, 'utf8')).matchAll(/^(\w+)=(["']?)(.*?)\2\r?$/gm)].map(([, name, , value]) => [
      name,
      value,
    ]),
  ) as Record<string, string>
  const artifact = variables['pkg_artifact']
  if (artifact === undefined || artifact === '' || artifact.includes('/'))
    throw new UsageError(`${path} names no package: it has no line pkg_artifact=FILE`)
  return { file: join(dirname(path), artifact), variables }
}
