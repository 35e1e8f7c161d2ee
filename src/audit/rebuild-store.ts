import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import type { Db } from '../database/database.ts'
import { createTemporaryTable } from '../database/temporary-table.ts'
import type { Schema } from '../database/schema.ts'
import type { EntryRow } from './audit-entry.ts'
import type { RebuiltMember, RebuiltPointer } from './rebuild.ts'

// An audit rebuilds the views by replaying the ledger. It writes their past to temporary tables, and compares
// these with the stored rows, which are the tables `members`, `pointers` and `lines`. Memory holds only the
// present state of the views, so the ledger may have any length.

type RebuiltTables = {
  rebuilt_members: RebuiltMember
  rebuilt_pointers: RebuiltPointer
}

/** A connection with the temporary tables of {@link openRebuild}. Other connections do not see them. */
export type RebuildDb = Kysely<Schema & RebuiltTables>

/**
 * Creates the temporary tables. Call it once for each connection, in a transaction, so that all later reads
 * see one state of the database.
 */
export async function openRebuild(db: Db): Promise<RebuildDb> {
  await createTemporaryTable(db, 'rebuilt_members', {
    view: 'text',
    package: 'text',
    release: 'text',
    from_revision: 'number',
    position: 'number',
    is_skipped: 'number',
    to_revision: 'number',
  })
  await createTemporaryTable(db, 'rebuilt_pointers', {
    view: 'text',
    package: 'text',
    target: 'text',
    release: 'text',
    from_revision: 'number',
    to_revision: 'number',
  })
  return db.withTables<RebuiltTables>()
}

export async function insertRebuilt(
  db: RebuildDb,
  rows: { members: readonly RebuiltMember[]; pointers: readonly RebuiltPointer[] },
): Promise<void> {
  if (rows.members.length > 0)
    await db
      .insertInto('rebuilt_members')
      .values([...rows.members])
      .execute()
  if (rows.pointers.length > 0)
    await db
      .insertInto('rebuilt_pointers')
      .values([...rows.pointers])
      .execute()
}

/** Lists the entries after the sequence `after`, with the names of the rows that they refer to. */
export async function listEntryRows(db: Db, page: { after: number; limit: number }): Promise<EntryRow[]> {
  return db
    .selectFrom('ledger')
    .leftJoin('views', 'views.id', 'ledger.view_id')
    .leftJoin('origins', 'origins.id', 'ledger.origin_id')
    .leftJoin('releases', 'releases.id', 'ledger.release_id')
    .selectAll('ledger')
    .select([
      'views.name as view',
      'origins.name as origin',
      'releases.ident as release',
      'releases.target as release_target',
    ])
    .where('ledger.sequence', '>', page.after)
    .orderBy('ledger.sequence')
    .limit(page.limit)
    .execute()
}

/** Lists the rows of all views, including closed ones. */
export async function listViewRows(db: Db) {
  return db
    .selectFrom('views')
    .leftJoin('views as bases', 'bases.id', 'views.base_id')
    .select([
      'views.name',
      'views.rule',
      'views.past_rules',
      'views.ungoverned',
      'views.maker',
      'views.revision',
      'views.created_at',
      'views.closed_at',
      'views.gates',
      'views.freeze',
      'bases.name as base',
    ])
    .orderBy('views.id')
    .execute()
}

/** Lists the memberships that are in the rebuilt views but not in the stored rows, and the reverse. */
export async function listDifferingMembers(
  db: RebuildDb,
  limit: number,
): Promise<{ rebuilt: RebuiltMember[]; rows: RebuiltMember[] }> {
  const rebuilt = db
    .selectFrom('rebuilt_members')
    .select(['view', 'package', 'release', 'from_revision', 'position', 'is_skipped', 'to_revision'])
  const rows = db
    .selectFrom('members')
    .leftJoin('views', 'views.id', 'members.view_id')
    .leftJoin('packages', 'packages.id', 'members.package_id')
    .leftJoin('origins', 'origins.id', 'packages.origin_id')
    .leftJoin('releases', 'releases.id', 'members.release_id')
    .select([
      'views.name as view',
      packageName,
      releaseName,
      'members.from_revision',
      'members.position',
      'members.is_skipped',
      'members.to_revision',
    ])
    .$narrowType<{ view: string }>()
  return {
    rebuilt: await rebuilt.except(rows).limit(limit).execute(),
    rows: await rows.except(rebuilt).limit(limit).execute(),
  }
}

/** Lists the pointers that are in the rebuilt views but not in the stored rows, and the reverse. */
export async function listDifferingPointers(
  db: RebuildDb,
  limit: number,
): Promise<{ rebuilt: RebuiltPointer[]; rows: RebuiltPointer[] }> {
  const rebuilt = db
    .selectFrom('rebuilt_pointers')
    .select(['view', 'package', 'target', 'release', 'from_revision', 'to_revision'])
  const rows = db
    .selectFrom('pointers')
    .leftJoin('views', 'views.id', 'pointers.view_id')
    .leftJoin('packages', 'packages.id', 'pointers.package_id')
    .leftJoin('origins', 'origins.id', 'packages.origin_id')
    .leftJoin('releases', 'releases.id', 'pointers.release_id')
    .select((eb) => [
      'views.name as view',
      packageName,
      eb.cast<string>('pointers.target', 'text').as('target'),
      releaseName,
      'pointers.from_revision',
      'pointers.to_revision',
    ])
    .$narrowType<{ view: string }>()
  return {
    rebuilt: await rebuilt.except(rows).limit(limit).execute(),
    rows: await rows.except(rebuilt).limit(limit).execute(),
  }
}

/** A line that the view has or had a pointer for. */
export interface RebuiltLine {
  readonly view: string
  readonly package: string
  readonly target: string
  /**
   * The name of the package that the row names by id. It should equal `package`, which the row has as text.
   */
  readonly packageOfId: string
}

/** Lists the lines that are in the rebuilt views but not in the stored rows, and the reverse. */
export async function listDifferingLines(
  db: RebuildDb,
  limit: number,
): Promise<{ rebuilt: RebuiltLine[]; rows: RebuiltLine[] }> {
  const rebuilt = db
    .selectFrom('rebuilt_pointers')
    .select(['view', 'package', 'target', 'package as packageOfId'])
  const rows = db
    .selectFrom('lines')
    .leftJoin('views', 'views.id', 'lines.view_id')
    .leftJoin('packages', 'packages.id', 'lines.package_id')
    .leftJoin('origins', 'origins.id', 'packages.origin_id')
    .select((eb) => [
      'views.name as view',
      'lines.package',
      eb.cast<string>('lines.target', 'text').as('target'),
      sql<string>`origins.name || '/' || packages.name`.as('packageOfId'),
    ])
    .$narrowType<{ view: string }>()
  return {
    rebuilt: await rebuilt.except(rows).limit(limit).execute(),
    rows: await rows.except(rebuilt).limit(limit).execute(),
  }
}

/**
 * Finds memberships that began before their release was published, or lasted longer than the release, and
 * pointers whose release was not a member when they began. Such rows refer to the wrong one of several
 * releases with one ident, for example one that was deleted and published again.
 */
export async function listWrongReleases(
  db: Db,
  limit: number,
): Promise<{ view: string; ident: string; revision: number }[]> {
  const members = db
    .selectFrom('members')
    .innerJoin('views', 'views.id', 'members.view_id')
    .innerJoin('releases', 'releases.id', 'members.release_id')
    .innerJoin('ledger as begun', (on) =>
      on.onRef('begun.view_id', '=', 'members.view_id').onRef('begun.revision', '=', 'members.from_revision'),
    )
    .leftJoin('ledger as ended', (on) =>
      on.onRef('ended.view_id', '=', 'members.view_id').onRef('ended.revision', '=', 'members.to_revision'),
    )
    .select(['views.name as view', 'releases.ident', 'members.from_revision as revision'])
    .where((eb) =>
      eb.or([
        eb('releases.created_at', '>', eb.ref('begun.at')),
        eb.and([
          eb('releases.deleted_at', 'is not', null),
          eb.or([eb('ended.at', 'is', null), eb('ended.at', '>', eb.ref('releases.deleted_at'))]),
        ]),
      ]),
    )
  const pointers = db
    .selectFrom('pointers')
    .innerJoin('views', 'views.id', 'pointers.view_id')
    .innerJoin('releases', 'releases.id', 'pointers.release_id')
    .select(['views.name as view', 'releases.ident', 'pointers.from_revision as revision'])
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('members')
            .select('members.release_id')
            .whereRef('members.view_id', '=', 'pointers.view_id')
            .whereRef('members.package_id', '=', 'pointers.package_id')
            .whereRef('members.release_id', '=', 'pointers.release_id')
            .whereRef('members.from_revision', '<=', 'pointers.from_revision')
            .where((inner) =>
              inner.or([
                inner('members.to_revision', 'is', null),
                inner('members.to_revision', '>', inner.ref('pointers.from_revision')),
              ]),
            ),
        ),
      ),
    )
  return members.unionAll(pointers).limit(limit).execute()
}

const packageName = sql<string>`origins.name || '/' || packages.name`.as('package')
const releaseName = sql<string>`releases.ident || ' ' || releases.target`.as('release')
