import { setImmediate } from 'node:timers/promises'
import type { Audience } from '../access/access.ts'
import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import { formatPackageName, originOf, parseIdent } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { compareReleases } from '../package/version.ts'
import { findLineAfter, listPointersAt } from './content-store.ts'
import type { LinePage, PointerAt, PointerPlace } from './content-store.ts'
import { ruleAt } from '../views/rule.ts'
import type { View } from '../views/view.ts'

// Differences of `latest` between two states of views. Within one view, only packages whose members changed
// between the revisions are compared, as long as they are few: a pointer moves only when a release of its
// line joins or leaves. Otherwise all lines of both sides are compared, section by section, and other work
// runs in between.

/** A view at one of its revisions. */
export interface ViewState {
  readonly view: View
  readonly revision: number
}

/** Two different answers of `latest` for one line. `undefined` means no answer. */
export interface Difference {
  readonly package: string
  readonly target: Target
  readonly from: string | undefined
  readonly to: string | undefined
  readonly fromChecksum: string | undefined
  readonly toChecksum: string | undefined
  /** `republished`: the same ident with other bytes. */
  readonly change: 'added' | 'removed' | 'moved' | 'downgraded' | 'republished'
}

/** Sections are short, because each line with hidden releases may need some queries of its own. */
const LINES_PER_SECTION = 200
const PACKAGES_PER_SECTION = 100
/** No section has as many lines. A package has one line for each target. */
const MAX_SECTION_LINES = 1_000
const ROWS_IN_A_READ = 1_000
/** With more changes between two revisions, it is cheaper to compare all lines. */
const MAX_EXAMINED_CHANGES = 5_000

/** Lists the differences that an audience sees, by package and target. */
export async function listDifferences(
  db: Db,
  states: { from: ViewState; to: ViewState },
  page: Pick<LinePage<PointerPlace>, 'origin' | 'name' | 'after' | 'limit'>,
  audience: Audience,
): Promise<Difference[]> {
  const { from, to } = states
  const found: Difference[] = []
  for await (const section of sectionsOf(db, [from, to], page)) {
    const before = await listPointersAt(db, from.view, from.revision, section, audience)
    const after = await listPointersAt(db, to.view, to.revision, section, audience)
    found.push(...compare(before, after))
    if (found.length >= page.limit) break
    await setImmediate()
  }
  return found.slice(0, page.limit)
}

type Section = LinePage<PointerPlace>

/** Yields the sections to compare, in the order of lines, from the place of the page on. */
async function* sectionsOf(
  db: Db,
  [one, other]: readonly [ViewState, ViewState],
  page: Omit<Section, 'limit'>,
): AsyncGenerator<Section> {
  const { after, ...filter } = page
  // After a change of the rule, `latest` may differ for packages without changed members.
  const hasOneRule = ruleAt(one.view, one.revision) === ruleAt(other.view, other.revision)
  const changed =
    one.view.id === other.view.id && hasOneRule
      ? await listChangedPackages(db, one.view.id, [one.revision, other.revision])
      : undefined
  if (changed !== undefined) {
    const packages = changed.filter((name) => matches(name, filter) && name >= (after?.[0] ?? ''))
    for (let begin = 0; begin < packages.length; begin += PACKAGES_PER_SECTION) {
      yield {
        packages: packages.slice(begin, begin + PACKAGES_PER_SECTION),
        ...(after && { after }),
        limit: MAX_SECTION_LINES,
      }
    }
    return
  }
  const viewIds = [...new Set([one.view.id, other.view.id])]
  for (let begin = after ?? firstPlace(filter); ;) {
    const until = await findEndOfSection(db, viewIds, begin)
    yield { ...filter, ...(begin && { after: begin }), ...(until && { until }), limit: MAX_SECTION_LINES }
    if (until === undefined || isAfterOrigin(until, filter)) return
    begin = until
  }
}

/**
 * Lists, sorted, the packages with a release that joined or left the view between two revisions. Returns
 * `undefined` if there were so many changes that it is cheaper to compare all lines.
 */
async function listChangedPackages(
  db: Db,
  viewId: number,
  revisions: readonly number[],
): Promise<string[] | undefined> {
  const [first, last] = [Math.min(...revisions), Math.max(...revisions)]
  const ids = new Set<number>()
  for (const column of ['from_revision', 'to_revision'] as const) {
    // The changes that the first revision itself made are no part of the difference.
    let after: ChangedMember = { revision: first, package_id: Infinity, release_id: 0 }
    for (let examined = 0; ; examined += ROWS_IN_A_READ) {
      if (examined === MAX_EXAMINED_CHANGES) return undefined
      const rows = await listChanges(db, viewId, column, { after, last })
      for (const row of rows) ids.add(row.package_id)
      const lastRow = rows.at(-1)
      if (lastRow === undefined || rows.length < ROWS_IN_A_READ) break
      after = lastRow
      await setImmediate()
    }
  }
  const names: string[] = []
  for (const batch of inBatches(ids)) {
    const rows = await db
      .selectFrom('packages')
      .innerJoin('origins', 'origins.id', 'packages.origin_id')
      .select(['origins.name as origin', 'packages.name'])
      .where('packages.id', 'in', batch)
      .execute()
    names.push(...rows.map(formatPackageName))
  }
  return names.toSorted(compareText)
}

/** A row whose membership began or ended at `revision`. */
interface ChangedMember {
  readonly revision: number
  readonly package_id: number
  readonly release_id: number
}

/** Lists a page of the memberships that began or ended (by `column`) after a place, through a revision. */
async function listChanges(
  db: Db,
  viewId: number,
  column: 'from_revision' | 'to_revision',
  page: { after: ChangedMember; last: number },
): Promise<ChangedMember[]> {
  const { after, last } = page
  const rows = await db
    .selectFrom('members')
    .select(['package_id', 'release_id', `${column} as revision`])
    .where('view_id', '=', viewId)
    .where((eb) =>
      eb(
        eb.refTuple(column, 'package_id', 'release_id'),
        '>',
        eb.tuple(after.revision, after.package_id, after.release_id),
      ),
    )
    .where(column, '<=', last)
    .where(column, 'is not', null)
    .orderBy(column)
    .orderBy('package_id')
    .orderBy('release_id')
    .limit(ROWS_IN_A_READ)
    .$narrowType<{ revision: number }>()
    .execute()
  return rows
}

/** Finds the place where a section that begins after `after` ends; `undefined` if it is the last one. */
async function findEndOfSection(
  db: Db,
  viewIds: readonly number[],
  after: PointerPlace | undefined,
): Promise<PointerPlace | undefined> {
  let nearest: PointerPlace | undefined
  for (const viewId of viewIds) {
    const end = await findLineAfter(db, viewId, after, LINES_PER_SECTION)
    if (end !== undefined && (nearest === undefined || comparePlaces(end, nearest) < 0)) nearest = end
  }
  return nearest
}

/**
 * Returns the place before the first line of an origin. Its lines lie between `origin/` and `origin0`: `0`
 * follows `/` in ASCII.
 */
function firstPlace({ origin }: { origin?: string }): PointerPlace | undefined {
  return origin === undefined ? undefined : [`${origin}/`, 'x86_64-linux']
}

function isAfterOrigin([name]: PointerPlace, { origin }: { origin?: string }): boolean {
  return origin !== undefined && name >= `${origin}0`
}

function matches(packageName: string, { origin, name }: { origin?: string; name?: string }): boolean {
  const packageOrigin = originOf(packageName)
  return (
    (origin ?? packageOrigin) === packageOrigin &&
    (name === undefined || packageName === formatPackageName({ origin: packageOrigin, name }))
  )
}

/** Merges two lists that are sorted by place. */
function compare(before: readonly PointerAt[], after: readonly PointerAt[]): Difference[] {
  const found: Difference[] = []
  for (let [left, right] = [0, 0]; left < before.length || right < after.length;) {
    const [one, other] = [before[left], after[right]]
    const order =
      one === undefined
        ? 1
        : other === undefined
          ? -1
          : comparePlaces([one.package, one.target], [other.package, other.target])
    if (order <= 0) left += 1
    if (order >= 0) right += 1
    const difference = differenceOf(order <= 0 ? one : undefined, order >= 0 ? other : undefined)
    if (difference !== undefined) found.push(difference)
  }
  return found
}

function differenceOf(before: PointerAt | undefined, after: PointerAt | undefined): Difference | undefined {
  const line = before ?? after
  if (line === undefined || (before?.ident === after?.ident && before?.checksum === after?.checksum))
    return undefined
  const { package: name, target } = line
  return {
    package: name,
    target,
    from: before?.ident,
    to: after?.ident,
    fromChecksum: before?.checksum,
    toChecksum: after?.checksum,
    change: changeOf(before?.ident, after?.ident),
  }
}

function changeOf(from: string | undefined, to: string | undefined): Difference['change'] {
  if (from === undefined) return 'added'
  if (to === undefined) return 'removed'
  if (from === to) return 'republished'
  return compareReleases(parseIdent(from), parseIdent(to)) < 0 ? 'moved' : 'downgraded'
}

function comparePlaces(one: PointerPlace, other: PointerPlace): number {
  return compareText(one[0], other[0]) || compareText(one[1], other[1])
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
