import { createHash } from 'node:crypto'
import type { Audience } from '../../accounts/access.ts'
import type { Depot } from '../../depot.ts'
import { refusalOf } from '../../errors.ts'
import { listLockfileKeys } from '../../lockfiles/depot-key-store.ts'
import { expectLocked } from '../../lockfiles/lockfile-store.ts'
import { readLockfile } from '../../lockfiles/signed-lockfile.ts'
import type { ReleaseSource } from '../../views/change-request.ts'

/**
 * What `latest` answered where a lockfile was made, once a key that is trusted is found to have signed it, and all that it names is here,
 * what is needed too. Throws as `readLockfile` and `expectLocked`; and `invalid_request` where what it does not name should leave, though
 * it does not name everything.
 */
export async function lockfileAsked(depot: Depot, text: string, asked: { audience: Audience; isExact: boolean }): Promise<ReleaseSource> {
  const { filter, audience, skipped, releases } = readLockfile(text, await listLockfileKeys(depot.db))
  const isWhole = Object.keys(filter).length === 0 && audience === 'everyone' && skipped === 0
  if (asked.isExact && !isWhole) throw refusalOf('invalid_request', [{ detail: 'exact is for a lockfile of a whole view: this one is narrowed, or was made for who may not see everything', pointer: '/exact' }])
  await expectLocked(depot.db, releases, asked.audience)
  const pointers = releases.filter(({ isDependency }) => !isDependency)
  return { lockfile: { digest: createHash('sha256').update(text).digest('hex'), releases: pointers.map(({ ident, target, checksum }) => ({ ident, target, checksum })) } }
}
