import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { UsageError } from '../exit-codes.ts'

/** Where Habitat's build program says what it has built last. */
export const LAST_BUILD = 'results/last_build.env'

/**
 * Returns the package file that a `last_build.env` names (habitat-2016.md 6.2). It is in the same folder.
 * Throws a UsageError if it names none.
 */
export async function readLastBuild(path: string): Promise<string> {
  const artifact = /^pkg_artifact=(["']?)(.*?)\1\r?$/m.exec(await readFile(path, 'utf8'))?.[2]
  if (artifact === undefined || artifact === '' || artifact.includes('/'))
    throw new UsageError(`${path} names no package: it has no line pkg_artifact=FILE`)
  return join(dirname(path), artifact)
}
