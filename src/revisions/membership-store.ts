import type { Audience } from '../access/access.ts'
import { usingIndex } from '../database/engine-sql.ts'
import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import type { Target } from '../package/target.ts'
import { visibleTo } from '../releases/visible-store.ts'
import { listLinesWithHidden } from './history-store.ts'
import { listVisibleSpans, listVisibleMemberships } from './visible-span-store.ts'
import type { Line } from './visible-span-store.ts'
import { sweepHighest } from '../views/sweep.ts'
import type { Span } from '../views/sweep.ts'
import type { View } from '../views/view.ts'
import { lineKey } from '../package/ident.ts'

/** A {@link Span} with the times of its revisions, in epoch milliseconds. */
export interface TimedSpan extends Span {
  readonly since: number
  readonly until: number | undefined
}

/** The id of no package. */
const NO_PACKAGE = 0

/**
 * Lists what `latest` answered to an audience for a line, newest first. Lists only spans that began before
 * the revision `before`. Under `promoted`, pointers to hidden releases are left out; under `highest`, the
 * highest visible member counts.
 */
export async function listLatestSpans(
  db: Db,
  view: View,
  line: { package: string; target: Target },
  page: { before: number; limit: number },
  audience: Audience,
): Promise<TimedSpan[]> {
  const row = await db
    .selectFrom('lines')
    .select('package_id')
    .where('view_id', '=', view.id)
    .where('package', '=', line.package)
    .where('target', '=', line.target)
    .executeTakeFirst()
  // The same statements run whether or not the view has the line: the duration must not reveal a hidden line.
  const packageLine = { packageId: row?.package_id ?? NO_PACKAGE, target: line.target }
  const hasPastRules = view.pastRules.length > 0
  const hasHiddenReleases =
    !audience.seesAll &&
    (view.rule === 'highest' || hasPastRules) &&
    (await listLinesWithHidden(db, view.id, [line.package], audience)).has(lineKey(line))
  // Without hidden releases, or always under `promoted`, the audience got the visible pointers.
  if (!hasHiddenReleases)
    return withTimes(db, view.id, await listPointerSpans(db, view.id, packageLine, page, audience))
  const spans = hasPastRules
    ? await listVisibleSpans(db, view, packageLine, audience)
    : sweepHighest(await listVisibleMemberships(db, view.id, packageLine, audience))
  return withTimes(db, view.id, pageOf(spans, page))
}

/** The membership of a release in a view. */
export type ReleaseMembership = Omit<TimedSpan, 'ident'> & {
  readonly view: string
  readonly place: MembershipPlace
}

/** A place in the list of {@link listMemberships}. Present memberships come before past ones. */
export type MembershipPlace = readonly [isOver: 0 | 1, viewId: number, fromRevision: number]

/**
 * Lists the present memberships of a release, then the past ones. Views are in the order of their creation,
 * the past memberships in a view are oldest first.
 */
export async function listMemberships(
  db: Db,
  releaseId: number,
  page: { after: MembershipPlace | undefined; limit: number },
): Promise<ReleaseMembership[]> {
  const [isOver, viewId, fromRevision] = page.after ?? [0, 0, 0]
  const found =
    isOver === 0
      ? await readMemberships(db, releaseId, { after: [0, viewId, fromRevision], limit: page.limit })
      : []
  const after: MembershipPlace = isOver === 0 ? [1, 0, 0] : [1, viewId, fromRevision]
  return found.length === page.limit
    ? found
    : [...found, ...(await readMemberships(db, releaseId, { after, limit: page.limit - found.length }))]
}

/** Lists the memberships after a place, of the same kind as the place: present or past. */
async function readMemberships(
  db: Db,
  releaseId: number,
  page: { after: MembershipPlace; limit: number },
): Promise<ReleaseMembership[]> {
  const [isOver, ...after] = page.after
  const rows = await db
    .selectFrom('members')
    .innerJoin('views', 'views.id', 'members.view_id')
    .innerJoin('ledger as begun', (on) =>
      on.onRef('begun.view_id', '=', 'members.view_id').onRef('begun.revision', '=', 'members.from_revision'),
    )
    .leftJoin('ledger as ended', (on) =>
      on.onRef('ended.view_id', '=', 'members.view_id').onRef('ended.revision', '=', 'members.to_revision'),
    )
    .select([
      'members.view_id',
      'views.name',
      'members.from_revision',
      'members.to_revision',
      'begun.at as since',
      'ended.at as until',
    ])
    .where('members.release_id', '=', releaseId)
    .where('members.to_revision', isOver === 1 ? 'is not' : 'is', null)
    .where((eb) => eb(eb.refTuple('members.view_id', 'members.from_revision'), '>', eb.tuple(...after)))
    .orderBy('members.view_id')
    // A release has at most one present membership of each view.
    .$if(isOver === 1, (query) => query.orderBy('members.from_revision'))
    .limit(page.limit)
    .execute()
  return rows.map((row) => ({
    view: row.name,
    from: row.from_revision,
    since: row.since,
    to: row.to_revision ?? undefined,
    until: row.until ?? undefined,
    place: [isOver, row.view_id, row.from_revision],
  }))
}

async function listPointerSpans(
  db: Db,
  viewId: number,
  line: Line,
  page: { before: number; limit: number },
  audience: Audience,
): Promise<Span[]> {
  const rows = await db
    .selectFrom('pointers')
    .innerJoin('releases', 'releases.id', 'pointers.release_id')
    .select(['releases.ident', 'pointers.from_revision as from', 'pointers.to_revision as to'])
    .where('pointers.view_id', '=', viewId)
    .where('pointers.package_id', '=', line.packageId)
    .where('pointers.target', '=', line.target)
    .where('pointers.from_revision', '<', page.before)
    .where((eb) => visibleTo(eb, audience))
    .orderBy('pointers.from_revision', 'desc')
    .limit(page.limit)
    .execute()
  return rows.map(({ ident, from, to }) => ({ ident, from, to: to ?? undefined }))
}

/** Returns a page of spans, newest first. `spans` are oldest first. */
function pageOf(spans: readonly Span[], page: { before: number; limit: number }): Span[] {
  return spans
    .filter(({ from }) => from < page.before)
    .toReversed()
    .slice(0, page.limit)
}

async function withTimes(db: Db, viewId: number, spans: readonly Span[]): Promise<TimedSpan[]> {
  const revisions = spans.flatMap(({ from, to }) => (to === undefined ? [from] : [from, to]))
  const times = new Map<number | null | undefined, number>()
  for (const batch of inBatches(revisions)) {
    const rows = await db
      .selectFrom(usingIndex('ledger', 'ledger_by_revision'))
      .select(['revision', 'at'])
      .where('view_id', '=', viewId)
      .where('revision', 'in', batch)
      .execute()
    for (const { revision, at } of rows) times.set(revision, at)
  }
  return spans.map((span) => ({ ...span, since: times.get(span.from) ?? 0, until: times.get(span.to) }))
}
