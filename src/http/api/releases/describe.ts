import type { z } from 'zod'
import type { Audience } from '../../../access/access.ts'
import { getAccountName } from '../../../accounts/account-store.ts'
import type { Db } from '../../../database/database.ts'
import { formatIdent } from '../../../package/ident.ts'
import type { Release } from '../../../releases/release.ts'
import { listTargets, listViewsOf } from '../../../releases/release-store.ts'
import type * as shapes from './shapes.ts'
import { wireRelease } from './wire.ts'

/**
 * Converts a release to JSON. Reads its publisher, its views, and its targets. Leaves out targets that the
 * audience may not see.
 */
export async function describeRelease(
  db: Db,
  release: Release,
  audience: Audience,
): Promise<z.infer<typeof shapes.Release>> {
  const targets = await listTargets(db, formatIdent(release.ident), audience)
  const publisher = await getAccountName(db, release.publisherId)
  const views = await listViewsOf(db, release.id) // by name in descending order
  return wireRelease(release, { targets, publisher, views: views.toReversed() })
}
