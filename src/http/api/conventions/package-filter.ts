import { makePackageName } from '../../../package/ident.ts'
import type { PackageFilter } from '../../../views/change-request.ts'

/** Parses a restriction to an origin, a name or both. Throws `ident_malformed`. */
export function parsePackageFilter({
  origin,
  name,
}: {
  origin?: string | undefined
  name?: string | undefined
}): PackageFilter | undefined {
  makePackageName({ origin: origin ?? 'any', name: name ?? 'any' }) // checks those that are given
  if (origin === undefined && name === undefined) return undefined
  return { ...(origin !== undefined && { origin }), ...(name !== undefined && { name }) }
}
