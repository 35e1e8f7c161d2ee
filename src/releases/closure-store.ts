import type { Audience } from '../access/access.ts'
import { usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { packageOf } from '../package/ident.ts'
import { holdsAt, visibleTo } from './visible-store.ts'

/**
 * Reports whether an ident belongs to one of the given open views: as a member, or as a dependency that a
 * member names in its TDEPS. Only members that the audience may see count; a dependency may be absent or
 * hidden. With `revision`, the members are those of that revision. Reads at most every member of these views.
 */
export async function isInClosure(
  db: Db,
  ident: string,
  { views, revision }: { views: readonly string[]; revision?: number | undefined },
  audience: Audience,
): Promise<boolean> {
  const member = await db
    .selectFrom('releases')
    .crossJoin(revision === undefined ? usingIndex('members', 'members_by_release') : 'members')
    .crossJoin('views')
    .select('releases.id')
    .whereRef('members.release_id', '=', 'releases.id')
    .whereRef('views.id', '=', 'members.view_id')
    .where('releases.ident', '=', ident)
    .where('views.name', 'in', views)
    .where('views.closed_at', 'is', null)
    .where((eb) => holdsAt(eb, revision))
    .where((eb) => visibleTo(eb, audience))
    .limit(1)
    .executeTakeFirst()
  if (member !== undefined) return true
  const dependent = await db
    .selectFrom('views')
    .crossJoin(revision === undefined ? usingIndex('members', 'members_current') : 'members')
    .crossJoin('releases')
    .crossJoin('release_dependencies')
    .select('releases.id')
    .whereRef('members.view_id', '=', 'views.id')
    .whereRef('releases.id', '=', 'members.release_id')
    .whereRef('release_dependencies.package_id', '=', 'releases.package_id')
    .whereRef('release_dependencies.release_id', '=', 'releases.id')
    .whereRef('release_dependencies.target', '=', 'releases.target')
    .where('release_dependencies.dependency', '=', packageOf(ident))
    .where('release_dependencies.ident', '=', ident)
    .where('views.name', 'in', views)
    .where('views.closed_at', 'is', null)
    .where((eb) => holdsAt(eb, revision))
    .where((eb) => visibleTo(eb, audience))
    .limit(1)
    .executeTakeFirst()
  return dependent !== undefined
}
