import { writeFile } from 'node:fs/promises'
import type { Change } from '../../client/operations.ts'
import { hartFileName, parseIdent } from '../../package/ident.ts'
import { UsageError } from '../exit-codes.ts'

/** Returns the releases of a change that no rebuild has replaced. */
export function presentReleases({ releases }: Change): Change['releases'] {
  return releases.filter(({ replaced }) => !replaced)
}

/**
 * Returns the variables that tell the commands of later phases and jobs what the change is. The variables
 * `pkg_…` are those of Habitat's last_build.env, and describe the first release. HART_DEPOT_RELEASES has all
 * idents.
 */
export function changeVariables(change: Change): Record<string, string> {
  const releases = presentReleases(change)
  const [first] = releases
  return {
    HART_DEPOT_PROJECT: change.project,
    HART_DEPOT_CHANGE: change.change,
    HART_DEPOT_COMMIT: change.commit,
    ...(first !== undefined && {
      HART_DEPOT_RELEASES: [...new Set(releases.map(({ release }) => release))].join(','),
      ...releaseVariables(first),
    }),
  }
}

function releaseVariables({ release, target }: Change['releases'][number]): Record<string, string> {
  const ident = parseIdent(release)
  return {
    pkg_origin: ident.origin,
    pkg_name: ident.name,
    pkg_version: ident.version,
    pkg_release: ident.release,
    pkg_ident: release,
    pkg_target: target,
    pkg_artifact: hartFileName(ident, target),
  }
}

/** Neither a shell nor the readers of CI systems change these characters. */
const PLAIN = /^[\w./:@+,%=-]*$/

/**
 * Writes variables as `NAME=VALUE` lines, which shells and CI systems read. Throws a UsageError if a value
 * has characters that these would change.
 */
export async function writeEnvFile(file: string, variables: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(variables))
    if (!PLAIN.test(value))
      throw new UsageError(`${name} cannot be written to ${file}, because of its characters: ${value}`)
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`)
  await writeFile(file, lines.join(''))
}
