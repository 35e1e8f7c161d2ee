import type { ExpressionBuilder } from 'kysely'
import type { Audience } from '../access/access.ts'
import { usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import type { Schema } from '../database/schema.ts'
import type { Target } from '../package/target.ts'
import { holdsAt, invisibleTo, visibleTo } from '../releases/visible-store.ts'
import { ruleAt } from '../views/rule.ts'
import type { View } from '../views/view.ts'
import { formatPackageName } from '../package/ident.ts'
import {
  findHighestVisible,
  findVisibleLatest,
  followsInvisible,
  hasInvisible,
  hasVisibleMember,
} from './visible-pointer-store.ts'
import type { LatestAt, MemberAt } from './visible-pointer-store.ts'

// Reads a view at any of its revisions, for an audience. Rows of `pointers` and `members` hold from
// `from_revision` on, until the revision before `to_revision`. The table `lines` has every line that the view
// ever pointed into, by name. A page walks the index of `lines`, and seeks the pointer or the members of each
// line. The ledger is read only for the times of revisions.

/** The answer of `latest` for one line, with its package. */
export interface PointerAt extends LatestAt {
  /** `origin/name` */
  readonly package: string
}

/** The start, the end and the filter of a page of lines. */
export interface LinePage<Place> {
  readonly origin?: string
  readonly name?: string
  /** Restricts the result to these packages (`origin/name`). */
  readonly packages?: readonly string[]
  /** The place before the page. */
  readonly after?: Place
  /** The last place of the page. */
  readonly until?: Place
  readonly limit: number
}

/** The place of a line in lists. `name` is `origin/name`. */
export type PointerPlace = readonly [name: string, target: Target]

/** The place of a member in lists. The members of a line are listed in the order of publication. */
export type MemberPlace = readonly [name: string, target: Target, releaseId: number]

/** Lists the answers of `latest` at a revision, by package and target. */
export async function listPointersAt(
  db: Db,
  view: View,
  revision: number,
  page: LinePage<PointerPlace>,
  audience: Audience,
): Promise<PointerAt[]> {
  const found: PointerAt[] = []
  for (const row of await selectPointersAt(db, view, revision, page, audience).execute()) {
    const line = { packageId: row.package_id, target: row.target }
    const latest =
      row.is_as_seen === 1
        ? {
            releaseId: row.release_id,
            ident: row.ident,
            checksum: row.checksum,
            target: row.target,
            sinceRevision: row.from_revision,
            since: row.at,
          }
        : hasRelevantPast(view, audience)
          ? await findVisibleLatest(db, view, line, revision, audience)
          : await findHighestVisible(db, view.id, line, revision, audience)
    if (latest !== undefined) found.push({ package: row.package, ...latest })
  }
  return found
}

/** Reports whether former rules of the view may matter for what the audience got. */
function hasRelevantPast({ pastRules }: View, { seesAll }: Audience): boolean {
  return pastRules.length > 0 && !seesAll
}

/**
 * Selects the pointers of a page of lines at a revision. `is_as_seen` is 1 where the pointer, with its
 * revision, is what the audience got; elsewhere the answer for the audience must be searched for.
 */
function selectPointersAt(
  db: Db,
  view: View,
  revision: number,
  page: LinePage<PointerPlace>,
  audience: Audience,
) {
  const { after, until } = page
  const rule = ruleAt(view, revision)
  return (
    linesOf(db, view.id, page)
      .crossJoin('pointers')
      .whereRef('pointers.view_id', '=', 'lines.view_id')
      .whereRef('pointers.package_id', '=', 'lines.package_id')
      .whereRef('pointers.target', '=', 'lines.target')
      .innerJoin('releases', 'releases.id', 'pointers.release_id')
      .innerJoin('ledger', (on) =>
        on
          .onRef('ledger.view_id', '=', 'pointers.view_id')
          .onRef('ledger.revision', '=', 'pointers.from_revision'),
      )
      .select([
        'lines.package',
        'lines.target',
        'lines.package_id',
        'pointers.release_id',
        'releases.ident',
        'releases.checksum',
        'pointers.from_revision',
        'ledger.at',
      ])
      .select((eb) =>
        eb
          .case()
          .when(
            hasRelevantPast(view, audience)
              ? eb.not(hasInvisible(eb, audience))
              : eb.and([
                  visibleTo(eb, audience),
                  ...(rule === 'highest' ? [eb.not(followsInvisible(eb, audience))] : []),
                ]),
          )
          .then(1)
          .else(0)
          .end()
          .as('is_as_seen'),
      )
      .where('pointers.from_revision', '=', (eb) =>
        eb
          .selectFrom('pointers as last')
          .select((inner) => inner.fn.max('last.from_revision').as('from_revision'))
          .whereRef('last.view_id', '=', 'lines.view_id')
          .whereRef('last.package_id', '=', 'lines.package_id')
          .whereRef('last.target', '=', 'lines.target')
          .where('last.from_revision', '<=', revision),
      )
      .where((eb) =>
        eb.or([eb('pointers.to_revision', 'is', null), eb('pointers.to_revision', '>', revision)]),
      )
      // Under `promoted`, a hidden answer is no answer. Under `highest`, the highest visible member answers.
      .where((eb) =>
        rule === 'promoted'
          ? visibleTo(eb, audience)
          : eb.or([visibleTo(eb, audience), hasVisibleMember(eb, revision, audience)]),
      )
      .$if(after !== undefined, (query) => query.where((eb) => isPlaced(eb, '>', after ?? FIRST)))
      .$if(until !== undefined, (query) => query.where((eb) => isPlaced(eb, '<=', until ?? FIRST)))
      .orderBy('lines.package')
      .orderBy('lines.target')
      .limit(page.limit)
  )
}

/** Returns an SQL condition on `lines`: the line comes after a place (`>`), or before or at it (`<=`). */
function isPlaced(eb: ExpressionBuilder<Schema, 'lines'>, operator: '>' | '<=', place: PointerPlace) {
  return eb(eb.refTuple('lines.package', 'lines.target'), operator, eb.tuple(...place))
}

/** Finds the line `count` lines after a place; `undefined` if there are fewer. */
export async function findLineAfter(
  db: Db,
  viewId: number,
  after: PointerPlace | undefined,
  count: number,
): Promise<PointerPlace | undefined> {
  const row = await linesOf(db, viewId, {})
    .select(['lines.package', 'lines.target'])
    .$if(after !== undefined, (query) => query.where((eb) => isPlaced(eb, '>', after ?? FIRST)))
    .orderBy('lines.package')
    .orderBy('lines.target')
    .limit(1)
    .offset(count - 1)
    .executeTakeFirst()
  return row && [row.package, row.target]
}

/** Lists the members of a view at a revision, by package and target, then in the order of publication. */
export async function listMembersAt(
  db: Db,
  view: View,
  revision: number,
  page: LinePage<MemberPlace>,
  audience: Audience,
): Promise<(MemberAt & { place: MemberPlace })[]> {
  const { after } = page
  const rows = await linesOf(db, view.id, page)
    .crossJoin('members')
    .whereRef('members.view_id', '=', 'lines.view_id')
    .whereRef('members.package_id', '=', 'lines.package_id')
    .innerJoin('releases', (on) =>
      on.onRef('releases.id', '=', 'members.release_id').onRef('releases.target', '=', 'lines.target'),
    )
    .crossJoin('ledger')
    .whereRef('ledger.view_id', '=', 'members.view_id')
    .whereRef('ledger.revision', '=', 'members.from_revision')
    .select([
      'lines.package',
      'lines.target',
      'releases.ident',
      'members.release_id',
      'members.from_revision',
      'ledger.at',
    ])
    .where((eb) => holdsAt(eb, revision))
    .where((eb) => visibleTo(eb, audience))
    .$if(after !== undefined, (query) =>
      query.where((eb) =>
        eb(
          eb.refTuple('lines.package', 'lines.target', 'members.release_id'),
          '>',
          eb.tuple(...(after ?? ([...FIRST, 0] as const))),
        ),
      ),
    )
    .orderBy('lines.package')
    .orderBy('lines.target')
    .orderBy('members.release_id')
    .limit(page.limit)
    .execute()
  return rows.map((row) => ({
    releaseId: row.release_id,
    ident: row.ident,
    target: row.target,
    sinceRevision: row.from_revision,
    since: row.at,
    place: [row.package, row.target, row.release_id],
  }))
}

/** Counts the present answers of `latest` that the audience may see. */
export async function countPointers(db: Db, viewId: number, audience: Audience): Promise<number> {
  const { count } = await db
    .selectFrom(usingIndex('pointers', 'pointers_current'))
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('pointers.view_id', '=', viewId)
    .where('pointers.to_revision', 'is', null)
    .$if(!audience.seesAll, (query) =>
      query.where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom(usingIndex('releases', 'releases_not_public'))
              .select('releases.id')
              .whereRef('releases.package_id', '=', 'pointers.package_id')
              .whereRef('releases.target', '=', 'pointers.target')
              .whereRef('releases.id', '=', 'pointers.release_id')
              .where((inner) => invisibleTo(inner, audience)),
          ),
        ),
      ),
    )
    .executeTakeFirstOrThrow()
  return count
}

/** A place before all lines. No line has the empty name, so any target does. */
const FIRST: PointerPlace = ['', 'x86_64-linux']

/**
 * Selects the lines of a view. Callers join other tables by `crossJoin`, which fixes the order of joins in
 * SQLite: lines come first, so nothing is sorted.
 */
function linesOf(
  db: Db,
  viewId: number,
  page: { origin?: string; name?: string; packages?: readonly string[] },
) {
  const { origin, name, packages } = page
  const lines = db
    .selectFrom('lines')
    .where('lines.view_id', '=', viewId)
    .$if(packages !== undefined, (query) => query.where('lines.package', 'in', packages ?? []))
  if (origin !== undefined && name !== undefined)
    return lines.where('lines.package', '=', formatPackageName({ origin, name }))
  // `0` follows `/` in ASCII.
  if (origin !== undefined)
    return lines.where('lines.package', '>', `${origin}/`).where('lines.package', '<', `${origin}0`)
  if (name === undefined) return lines
  return lines.where((eb) =>
    eb.exists(
      eb
        .selectFrom('packages')
        .select('packages.id')
        .whereRef('packages.id', '=', 'lines.package_id')
        .where('packages.name', '=', name),
    ),
  )
}
