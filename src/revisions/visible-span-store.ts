import { setImmediate } from 'node:timers/promises'
import type { Audience } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import type { Target } from '../package/target.ts'
import { visibleTo } from '../releases/visible-store.ts'
import { sweepHighest } from '../views/sweep.ts'
import type { Span, MembershipInterval } from '../views/sweep.ts'
import { periodsOf } from '../views/rule.ts'
import type { View } from '../views/view.ts'

/** A package for one target. */
export interface Line {
  readonly packageId: number
  readonly target: Target
}

const MAX_PAGE_SIZE = 1_000

/**
 * Lists what `latest` answered to an audience for a line, oldest first. While the view's rule was `promoted`,
 * these are the pointers to visible releases; while it was `highest`, the highest visible members. Reads the
 * whole history of the line.
 */
export async function listVisibleSpans(db: Db, view: View, line: Line, audience: Audience): Promise<Span[]> {
  const periods = periodsOf(view)
  const highest = periods.some(({ rule }) => rule === 'highest')
    ? sweepHighest(await listVisibleMemberships(db, view.id, line, audience))
    : []
  const promoted = periods.some(({ rule }) => rule === 'promoted')
    ? await listVisiblePointers(db, view.id, line, audience)
    : []
  const spans: Span[] = []
  for (const { rule, from, until } of periods) {
    for (const span of rule === 'highest' ? highest : promoted) {
      const begin = Math.max(span.from, from)
      const end = Math.min(span.to ?? Infinity, until ?? Infinity)
      if (begin >= end) continue
      const last = spans.at(-1)
      const continuesLast = last?.ident === span.ident && last.to === begin
      if (continuesLast) spans.pop()
      spans.push({
        ident: span.ident,
        from: continuesLast ? last.from : begin,
        to: end === Infinity ? undefined : end,
      })
    }
  }
  return spans
}

/**
 * Lists all visible memberships of a line that `latest` does not skip. Yields to the event loop after each
 * page.
 */
export async function listVisibleMemberships(
  db: Db,
  viewId: number,
  line: Line,
  audience: Audience,
): Promise<MembershipInterval[]> {
  const intervals: MembershipInterval[] = []
  for (let after = { release_id: 0, from_revision: 0 }; ;) {
    const rows = await db
      .selectFrom('members')
      .innerJoin('releases', 'releases.id', 'members.release_id')
      .select([
        'releases.ident',
        'releases.order_key',
        'members.release_id',
        'members.from_revision',
        'members.to_revision',
      ])
      .where('members.view_id', '=', viewId)
      .where('members.package_id', '=', line.packageId)
      .where('releases.target', '=', line.target)
      .where('members.is_skipped', '=', 0)
      .where((eb) =>
        eb(
          eb.refTuple('members.release_id', 'members.from_revision'),
          '>',
          eb.tuple(after.release_id, after.from_revision),
        ),
      )
      .where((eb) => visibleTo(eb, audience))
      .orderBy('members.release_id')
      .orderBy('members.from_revision')
      .limit(MAX_PAGE_SIZE)
      .execute()
    intervals.push(
      ...rows.map((row) => ({
        ident: row.ident,
        orderKey: row.order_key,
        from: row.from_revision,
        to: row.to_revision ?? undefined,
      })),
    )
    const last = rows.at(-1)
    if (last === undefined || rows.length < MAX_PAGE_SIZE) return intervals
    after = last
    await setImmediate()
  }
}

async function listVisiblePointers(db: Db, viewId: number, line: Line, audience: Audience): Promise<Span[]> {
  const spans: Span[] = []
  for (let after = -1; ;) {
    const rows = await db
      .selectFrom('pointers')
      .innerJoin('releases', 'releases.id', 'pointers.release_id')
      .select(['releases.ident', 'pointers.from_revision as from', 'pointers.to_revision as to'])
      .where('pointers.view_id', '=', viewId)
      .where('pointers.package_id', '=', line.packageId)
      .where('pointers.target', '=', line.target)
      .where('pointers.from_revision', '>', after)
      .where((eb) => visibleTo(eb, audience))
      .orderBy('pointers.from_revision')
      .limit(MAX_PAGE_SIZE)
      .execute()
    spans.push(...rows.map(({ ident, from, to }) => ({ ident, from, to: to ?? undefined })))
    const last = rows.at(-1)
    if (last === undefined || rows.length < MAX_PAGE_SIZE) return spans
    after = last.from
    await setImmediate()
  }
}
