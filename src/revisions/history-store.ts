import type { Actor, Audience } from '../access/access.ts'
import { usingIndex } from '../database/engine-sql.ts'
import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import { DepotError } from '../errors.ts'
import type { PointerMove, Promotion } from '../ledger/entry.ts'
import type { ReleaseName } from '../package/ident.ts'
import { lineKey, lineOf, packageOf, parseIdent, releaseKey } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { compareReleases } from '../package/version.ts'
import { invisibleTo, visibleTo } from '../releases/visible-store.ts'
import { findHighestVisible } from './visible-pointer-store.ts'
import { listSeenSpans } from './seen-span-store.ts'
import { ruleAt } from '../views/rule.ts'
import type { View } from '../views/view.ts'

// The history of a view for an audience. Everyone sees numbers and times; hidden releases are left out, and pointers are shown as
// `latest` answered this audience.

/** One revision. */
export interface Revision extends Omit<Promotion, 'kind' | 'view'> {
  readonly at: number
  /** `undefined` for the depot itself and the operator's shell. */
  readonly account: string | undefined
  /** The client's name for itself. */
  readonly client: string
}

/** Lists the revisions of a view before `before`, newest first. */
export async function listRevisions(
  db: Db,
  view: View,
  page: { before: number; limit: number },
  audience: Audience,
): Promise<Revision[]> {
  const rows = await promotionsOf(db, view.id)
    .where('ledger.revision', '<', page.before)
    .orderBy('ledger.revision', 'desc')
    .limit(page.limit)
    .execute()
  return asSeenBy(audience, db, view, rows.map(parseRevision))
}

/** Returns a revision of a view. Throws `not_found`. */
export async function getRevision(
  db: Db,
  view: View,
  revision: number,
  audience: Audience,
): Promise<Revision> {
  const row = await promotionsOf(db, view.id).where('ledger.revision', '=', revision).executeTakeFirst()
  const [seen] = row === undefined ? [] : await asSeenBy(audience, db, view, [parseRevision(row)])
  if (seen === undefined)
    throw new DepotError(
      'not_found',
      `${view.name} has no revision ${revision}; it is at revision ${view.revision}`,
    )
  return seen
}

function promotionsOf(db: Db, viewId: number) {
  return db
    .selectFrom('ledger')
    .leftJoin('accounts', 'accounts.id', 'ledger.account_id')
    .select(['ledger.at', 'ledger.text', 'accounts.name as account'])
    .where('ledger.view_id', '=', viewId)
    .where('ledger.revision', 'is not', null)
}

function parseRevision(row: { at: number; text: string; account: string | null }): Revision {
  const { actor, ...promotion } = JSON.parse(row.text) as Promotion & { actor: Actor }
  return revisionOf(promotion, { at: row.at, account: row.account ?? undefined, client: actor.client })
}

/** Returns the revision that a promotion made. */
export function revisionOf(
  promotion: Promotion,
  made: Pick<Revision, 'at' | 'account' | 'client'>,
): Revision {
  const { act, revision, cause, reason, of, only, rule, source, proposer, override, joined, left, pointers } =
    promotion
  return {
    revision,
    at: made.at,
    act,
    account: made.account,
    client: made.client,
    ...(cause !== undefined && { cause }),
    ...(reason !== undefined && { reason }),
    ...(of !== undefined && { of }),
    ...(only !== undefined && { only }),
    ...(rule !== undefined && { rule }),
    ...(source !== undefined && { source }),
    ...(proposer !== undefined && { proposer }),
    ...(override !== undefined && { override }),
    joined,
    left,
    pointers,
  }
}

/**
 * Removes hidden releases from revisions, and shows pointers as `latest` answered this audience. If a release was removed, the reason,
 * the override and the restriction are removed too, since they may mention it. The revisions are consecutive, newest first.
 */
export async function asSeenBy(
  audience: Audience,
  db: Db,
  view: View,
  revisions: readonly Revision[],
): Promise<Revision[]> {
  if (audience.seesAll) return [...revisions]
  const hidden = await listHiddenLines(
    db,
    view.id,
    revisions.some(({ rule }) => rule !== undefined)
      ? 'all'
      : revisions.flatMap(releasesOf).map(({ ident }) => packageOf(ident)),
    audience,
  )
  if (hidden.size === 0) return [...revisions]
  const named = revisions
    .flatMap((revision) => [...releasesOf(revision), ...revision.pointers.flatMap(endsOf)])
    .filter((release) => hidden.has(lineOf(release)))
  const visible = await listVisible(
    db,
    view.id,
    named.map(({ ident }) => ident),
    audience,
  )

  const latest = new Map<string, string | null>()
  const seen: Revision[] = []
  for (const revision of revisions.toReversed()) {
    const wasMember = (interval: MembershipInterval) =>
      interval.from <= revision.revision && (interval.to ?? Infinity) >= revision.revision
    const mayBeSeen = (release: ReleaseName) =>
      !hidden.has(lineOf(release)) || visible.get(releaseKey(release))?.some(wasMember) === true
    const joined = revision.joined.filter(mayBeSeen)
    const left = revision.left.filter(mayBeSeen)
    const isWhole = joined.length + left.length === revision.joined.length + revision.left.length
    const { reason, override, only, ...rest } = revision
    const pointers: PointerMove[] = revision.pointers.filter((move) => !hidden.has(lineKey(move)))
    // A change of the rule may move `latest` for some audiences and not for others.
    for (const line of revision.rule === undefined
      ? new Set(releasesOf(revision).map(lineOf))
      : hidden.keys()) {
      const packageId = hidden.get(line)
      if (packageId === undefined) continue
      const [name = '', target = ''] = line.split(' ')
      const move = await moveSeen(db, view, { name, packageId, target: target as Target }, revision, {
        audience,
        mayBeSeen,
        latest,
      })
      if (move.from !== move.to) pointers.push(move)
    }
    seen.push({
      ...rest,
      ...(isWhole && reason !== undefined && { reason }),
      ...(isWhole && override !== undefined && { override }),
      ...(isWhole && only !== undefined && { only }),
      joined,
      left,
      pointers,
    })
  }
  return seen.toReversed()
}

interface Perspective {
  readonly audience: Audience
  mayBeSeen(release: ReleaseName): boolean
  /** The answers of `latest` after the last revision, for the lines seen so far. */
  readonly latest: Map<string, string | null>
}

/** Returns the move of `latest` for this audience, on a line with hidden releases. */
async function moveSeen(
  db: Db,
  view: View,
  line: { name: string; packageId: number; target: Target },
  revision: Revision,
  perspective: Perspective,
): Promise<PointerMove> {
  const { name, target } = line
  const key = lineKey({ package: name, target })
  if (revision.rule !== undefined) {
    const [before, after] = [revision.revision - 1, revision.revision]
    const spans = await listSeenSpans(db, view, line, perspective.audience)
    const seenAt = (at: number) =>
      spans.find((span) => span.from <= at && at < (span.to ?? Infinity))?.ident ?? null
    perspective.latest.set(key, seenAt(after))
    return { package: name, target, from: seenAt(before), to: seenAt(after) }
  }
  if (ruleAt(view, revision.revision) === 'promoted') {
    const move = revision.pointers.find(
      (candidate) => candidate.package === name && candidate.target === target,
    )
    const seen = (ident: string | null | undefined) =>
      typeof ident === 'string' && perspective.mayBeSeen({ ident, target }) ? ident : null
    return { package: name, target, from: seen(move?.from), to: seen(move?.to) }
  }
  // Reading all members of a line twice for each revision would take seconds where a package has thousands of releases.
  const highestAt = async (at: number) =>
    (await findHighestVisible(db, view.id, line, at, perspective.audience))?.ident ?? null
  const from =
    perspective.latest.get(key) ??
    (perspective.latest.has(key) ? null : await highestAt(revision.revision - 1))
  const isGone = revision.left.some((release) => release.ident === from && release.target === target)
  const joined = revision.joined
    .filter((release) => lineOf(release) === key && perspective.mayBeSeen(release))
    .map(({ ident }) => ident)
  const to = isGone ? await highestAt(revision.revision) : joined.reduce(higher, from)
  perspective.latest.set(key, to)
  return { package: name, target, from, to }
}

function higher(one: string | null, other: string): string {
  return one !== null && compareReleases(parseIdent(one), parseIdent(other)) > 0 ? one : other
}

/** Lists the lines with hidden releases, of these packages or of the whole view, with their package ids. */
export async function listHiddenLines(
  db: Db,
  viewId: number,
  packages: readonly string[] | 'all',
  audience: Audience,
): Promise<Map<string, number>> {
  const hidden = new Map<string, number>()
  for (const some of packages === 'all' ? [undefined] : inBatches(packages)) {
    const rows = await db
      .selectFrom('lines')
      .select(['lines.package', 'lines.target', 'lines.package_id'])
      .where('lines.view_id', '=', viewId)
      .$if(some !== undefined, (query) => query.where('lines.package', 'in', some ?? []))
      .where((eb) =>
        eb.exists(
          eb
            .selectFrom(usingIndex('releases', 'releases_not_public'))
            .select('releases.id')
            .whereRef('releases.package_id', '=', 'lines.package_id')
            .whereRef('releases.target', '=', 'lines.target')
            .where((inner) => invisibleTo(inner, audience)),
        ),
      )
      .execute()
    for (const row of rows) hidden.set(lineKey(row), row.package_id)
  }
  return hidden
}

/** The revisions at which a release joined and left. */
interface MembershipInterval {
  readonly from: number
  readonly to: number | null
}

/**
 * Lists the memberships of visible releases with these idents. A deleted ident may have been published again as another release with another
 * visibility; their memberships do not overlap.
 */
async function listVisible(
  db: Db,
  viewId: number,
  idents: readonly string[],
  audience: Audience,
): Promise<Map<string, MembershipInterval[]>> {
  const intervals: (ReleaseName & MembershipInterval)[] = []
  for (const some of inBatches(idents)) {
    const rows = await db
      .selectFrom('releases')
      .crossJoin('members') // in this order
      .whereRef('members.package_id', '=', 'releases.package_id')
      .whereRef('members.release_id', '=', 'releases.id')
      .select([
        'releases.ident',
        'releases.target',
        'members.from_revision as from',
        'members.to_revision as to',
      ])
      .where('releases.ident', 'in', some)
      .where('members.view_id', '=', viewId)
      .where((eb) => visibleTo(eb, audience))
      .execute()
    intervals.push(...rows)
  }
  return Map.groupBy(intervals, releaseKey)
}

function releasesOf(revision: Revision): ReleaseName[] {
  return [...revision.joined, ...revision.left]
}

function endsOf({ from, to, target }: PointerMove): ReleaseName[] {
  return [from, to].filter((ident) => ident !== null).map((ident) => ({ ident, target }))
}
