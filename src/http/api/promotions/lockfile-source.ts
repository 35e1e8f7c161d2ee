import { createHash } from 'node:crypto'
import type { Audience } from '../../../access/access.ts'
import type { Depot } from '../../../depot/depot.ts'
import { listLockfileKeys } from '../../../lockfiles/depot-key-store.ts'
import { expectSameReleases } from '../../../lockfiles/lockfile-store.ts'
import { expectWhole } from '../../../lockfiles/lockfile.ts'
import { readLockfile } from '../../../lockfiles/signed-lockfile.ts'
import type { ReleaseSource } from '../../../views/change-request.ts'

/**
 * Returns the releases of a lockfile as the source of a change, after verifying that a trusted key signed it
 * and that all its releases, including dependencies, are in this depot. Throws the errors of `readLockfile`
 * and `expectSameReleases`, and `invalid_request` for an exact change with a lockfile of only a part of a
 * view.
 */
export async function lockfileSource(
  depot: Depot,
  text: string,
  options: { audience: Audience; isExact: boolean },
): Promise<ReleaseSource> {
  const lockfile = readLockfile(text, await listLockfileKeys(depot.db))
  if (options.isExact) expectWhole(lockfile)
  await expectSameReleases(depot.db, lockfile.releases, options.audience)
  const pointers = lockfile.releases.filter(({ isDependency }) => !isDependency)
  return {
    lockfile: {
      digest: createHash('sha256').update(text).digest('hex'),
      releases: pointers.map(({ ident, target, checksum }) => ({ ident, target, checksum })),
    },
  }
}
