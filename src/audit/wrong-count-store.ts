import type { AliasableExpression, ExpressionBuilder } from 'kysely'
import type { Db } from '../database/database.ts'
import type { Schema } from '../database/schema.ts'
import type { IdentCountsTable } from '../database/tables/releases.ts'
import { WHOLE_DEPOT_VIEW_ID } from '../releases/ident-count-store.ts'

// Compares the stored counts of idents, which the APIs answer as the totals of lists of packages, with counts
// of the releases themselves.

/** One side of a mismatch: the stored count, or the count of the releases. */
export interface WrongCount {
  readonly kind: 'stored' | 'counted'
  /** `undefined` for the whole depot. */
  readonly view: string | undefined
  readonly package: string
  readonly idents: number
  readonly publicIdents: number
}

/** Lists at most `limit` wrong counts of each kind. A missing row equals a row of zeros. */
export async function listWrongCounts(db: Db, limit: number): Promise<WrongCount[]> {
  // EXCEPT compares columns by position: package, view, idents, public idents.
  const stored = db
    .selectFrom('ident_counts')
    .select(['package_id', 'view_id', 'idents', 'public_idents'])
    .where((eb) => eb.or([eb('idents', '<>', 0), eb('public_idents', '<>', 0)]))
  const counted = recount(db)
  return [
    ...(await readNamed(db, 'stored', stored.except(counted), limit)),
    ...(await readNamed(db, 'counted', counted.except(stored), limit)),
  ]
}

/** Counts the idents of each package in the depot and in each view. */
function recount(db: Db) {
  const present = db.selectFrom('releases').where('releases.deleted_at', 'is', null)
  const ofViews = present
    .innerJoin('members', 'members.release_id', 'releases.id')
    .select(['members.package_id', 'members.view_id'])
    .select(counts)
    .where('members.to_revision', 'is', null)
    .groupBy(['members.package_id', 'members.view_id'])
  const ofDepot = present
    .select((eb) => ['releases.package_id', eb.lit(WHOLE_DEPOT_VIEW_ID).$castTo<number>().as('view_id')])
    .select(counts)
    .groupBy('releases.package_id')
  return db.selectFrom(ofDepot.unionAll(ofViews).as('counted')).selectAll()
}

/** Returns the two counts of a group of releases. An ident counts once, however many targets it has. */
function counts(eb: ExpressionBuilder<Schema, 'releases'>) {
  const isPublic = eb('releases.visibility', '=', 'public')
  return [
    eb.fn.count<number>('releases.ident').distinct().as('idents'),
    eb.fn
      .count<number>(eb.case().when(isPublic).then(eb.ref('releases.ident')).end())
      .distinct()
      .as('public_idents'),
  ] as const
}

/** Reads the rows with the names of their packages and views. */
async function readNamed(
  db: Db,
  kind: WrongCount['kind'],
  rows: AliasableExpression<IdentCountsTable>,
  limit: number,
): Promise<WrongCount[]> {
  const wrong = await db
    .selectFrom(rows.as('wrong'))
    .leftJoin('packages', 'packages.id', 'wrong.package_id')
    .leftJoin('origins', 'origins.id', 'packages.origin_id')
    .leftJoin('views', 'views.id', 'wrong.view_id')
    .select(['origins.name as origin', 'packages.name', 'views.name as view'])
    .select(['wrong.idents', 'wrong.public_idents'])
    .limit(limit)
    .execute()
  return wrong.map(({ origin, name, view, idents, public_idents }) => ({
    kind,
    view: view ?? undefined,
    package: `${origin ?? ''}/${name ?? ''}`,
    idents,
    publicIdents: public_idents,
  }))
}
