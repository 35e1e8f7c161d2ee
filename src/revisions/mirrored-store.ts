import { sql } from 'kysely'
import { usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import type { Target } from '../package/target.ts'
import type { ViewRule } from '../views/rule.ts'
import type { ViewRelease } from '../views/view.ts'
import { membersOf, placeInLine, viewReleaseOf, viewReleases } from './member-store.ts'

// Reads the releases of views that a mirror keeps here together with their dependencies.

/** Lists the first members of each line of an origin in a view, by the rule of the view. */
export async function listFirstMembers(
  db: Db,
  view: { id: number; rule: ViewRule },
  { originId, targets, count }: { originId: number; targets: readonly Target[]; count: number },
): Promise<ViewRelease[]> {
  const rows = await db
    .with('ranked', (query) =>
      membersOf(query as Db, view.id)
        .select(placeInLine(view.rule))
        .where('packages.origin_id', '=', originId)
        .where('releases.target', 'in', targets)
        .where('members.is_skipped', '=', 0),
    )
    .selectFrom('ranked')
    .selectAll()
    .where('ranked.place', '<=', count)
    .orderBy('ranked.ident')
    .execute()
  return rows.map(viewReleaseOf)
}

/** Lists the releases that `latest` of a view answers. */
export async function listLatestOf(
  db: Db,
  { viewId, targets }: { viewId: number; targets: readonly Target[] },
): Promise<ViewRelease[]> {
  const rows = await viewReleases(db)
    .innerJoin(usingIndex('pointers', 'pointers_current'), 'pointers.release_id', 'releases.id')
    .where('pointers.view_id', '=', viewId)
    .where('pointers.to_revision', 'is', null)
    .where('releases.target', 'in', targets)
    .orderBy('releases.ident')
    .execute()
  return rows.map(viewReleaseOf)
}

/** Counts the members of an origin in a view, and those of them whose bytes have never been here. */
export async function countMembersOf(
  db: Db,
  { viewId, originId }: { viewId: number; originId: number },
): Promise<{ members: number; announced: number }> {
  const { members, announced } = await db
    .selectFrom(usingIndex('members', 'members_current'))
    .innerJoin('releases', 'releases.id', 'members.release_id')
    .innerJoin('packages', 'packages.id', 'releases.package_id')
    .where('members.view_id', '=', viewId)
    .where('members.to_revision', 'is', null)
    .where('packages.origin_id', '=', originId)
    .select(({ fn }) => [
      fn.countAll<number>().as('members'),
      fn.coalesce(fn.sum<number>('releases.is_announced'), sql<number>`0`).as('announced'),
    ])
    .executeTakeFirstOrThrow()
  return { members, announced }
}
