import { createHash } from 'node:crypto'
import type { Audience } from '../../access/access.ts'
import type { Depot } from '../../depot/open.ts'
import { listLockfileKeys } from '../../lockfiles/depot-key-store.ts'
import { expectWhole } from '../../lockfiles/lockfile.ts'
import { expectLocked } from '../../lockfiles/lockfile-store.ts'
import { readLockfile } from '../../lockfiles/signed-lockfile.ts'
import type { ReleaseSource } from '../../views/change-request.ts'

/**
 * What `latest` answered where a lockfile was made, once a key that is trusted is found to have signed it, and all that it names is here,
 * what is needed too. Throws as `readLockfile` and `expectLocked`; and `invalid_request` where what it does not name should leave, though
 * it does not name everything.
 */
export async function lockfileSource(
  depot: Depot,
  text: string,
  asked: { audience: Audience; isExact: boolean },
): Promise<ReleaseSource> {
  const lockfile = readLockfile(text, await listLockfileKeys(depot.db))
  if (asked.isExact) expectWhole(lockfile)
  await expectLocked(depot.db, lockfile.releases, asked.audience)
  const pointers = lockfile.releases.filter(({ isDependency }) => !isDependency)
  return {
    lockfile: {
      digest: createHash('sha256').update(text).digest('hex'),
      releases: pointers.map(({ ident, target, checksum }) => ({ ident, target, checksum })),
    },
  }
}
