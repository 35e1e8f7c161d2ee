import type { Actor, Audience } from '../access/access.ts'
import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import { DepotError } from '../errors.ts'
import type { PointerMove, Promotion } from '../ledger/entry.ts'
import type { ReleaseName } from '../package/ident.ts'
import { lineKey, lineOf, packageOf, parseIdent, releaseKey } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { compareReleases } from '../package/version.ts'
import { visibleTo } from '../releases/visible-store.ts'
import { findHighestVisible, hasInvisible } from './visible-pointer-store.ts'
import { listVisibleSpans } from './visible-span-store.ts'
import type { Line } from './visible-span-store.ts'
import { ruleAt } from '../views/rule.ts'
import type { View } from '../views/view.ts'

// The history of a view for an audience. Everyone sees numbers and times. Hidden releases are left out, and
// pointers show what `latest` answered to this audience.

/** One revision of a view: the promotion that made it, and who made it. */
export interface Revision extends Omit<Promotion, 'kind' | 'view'> {
  /** Epoch milliseconds. */
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
  return redactRevisions(db, view, rows.map(parseRevision), audience)
}

/** Returns a revision of a view. Throws `not_found`. */
export async function getRevision(
  db: Db,
  view: View,
  revision: number,
  audience: Audience,
): Promise<Revision> {
  const row = await promotionsOf(db, view.id).where('ledger.revision', '=', revision).executeTakeFirst()
  if (row === undefined)
    throw new DepotError(
      'not_found',
      `${view.name} has no revision ${revision}; it is at revision ${view.revision}`,
    )
  const [redacted] = await redactRevisions(db, view, [parseRevision(row)], audience)
  if (redacted === undefined) throw new Error('redaction lost a revision')
  return redacted
}

/**
 * Returns the accounts that made revisions of a view, by revision. Omits revisions that the depot itself or
 * the operator's shell made.
 */
export async function findAuthors(
  db: Db,
  viewId: number,
  revisions: Iterable<number>,
): Promise<Map<number, string>> {
  const authors = new Map<number, string>()
  for (const batch of inBatches(revisions)) {
    const rows = await db
      .selectFrom('ledger')
      .innerJoin('accounts', 'accounts.id', 'ledger.account_id')
      .select(['ledger.revision', 'accounts.name'])
      .where('ledger.view_id', '=', viewId)
      .where('ledger.revision', 'in', batch)
      .execute()
    for (const { revision, name } of rows) if (revision !== null) authors.set(revision, name)
  }
  return authors
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

/** Returns the revision that a promotion in the ledger made. */
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
 * Removes hidden releases from revisions, and shows in pointers what `latest` answered to this audience. If a
 * release was removed, `reason`, `override` and `only` are removed too, because they may mention it.
 * `revisions` must be consecutive, newest first.
 */
export async function redactRevisions(
  db: Db,
  view: View,
  revisions: readonly Revision[],
  audience: Audience,
): Promise<Revision[]> {
  if (audience.seesAll) return [...revisions]
  const linesWithHidden = await listLinesWithHidden(
    db,
    view.id,
    revisions.some(({ rule }) => rule !== undefined)
      ? 'all'
      : revisions.flatMap(releasesOf).map(({ ident }) => packageOf(ident)),
    audience,
  )
  if (linesWithHidden.size === 0) return [...revisions]
  const named = revisions
    .flatMap((revision) => [...releasesOf(revision), ...revision.pointers.flatMap(endsOf)])
    .filter((release) => linesWithHidden.has(lineOf(release)))
  const memberships = await listMembershipsByIdent(
    db,
    view.id,
    named.map(({ ident }) => ident),
    audience,
  )
  const latest = new Map<string, string | null>()
  const redacted: Revision[] = []
  for (const revision of revisions.toReversed())
    redacted.push(
      await redactRevision(db, view, revision, { audience, linesWithHidden, memberships, latest }),
    )
  return redacted.toReversed()
}

/** What the redaction of several revisions shares. */
interface Redaction {
  readonly audience: Audience
  /** The lines with hidden releases, with their package ids. */
  readonly linesWithHidden: ReadonlyMap<string, number>
  /** The memberships of visible releases on these lines, by {@link releaseKey}. */
  readonly memberships: ReadonlyMap<string, readonly Membership[]>
  /**
   * What `latest` answered to the audience after the previous revision, for the lines that were redacted so
   * far. Redaction goes from the oldest revision to the newest, and updates this.
   */
  readonly latest: Map<string, string | null>
}

/** Redacts one revision, and updates `redaction.latest`. */
async function redactRevision(
  db: Db,
  view: View,
  revision: Revision,
  redaction: Redaction,
): Promise<Revision> {
  const { linesWithHidden, memberships } = redaction
  // A release that left at this revision was a member until then.
  const wasMember = ({ from, to }: Membership) =>
    from <= revision.revision && (to ?? Infinity) >= revision.revision
  const isVisible = (release: ReleaseName) =>
    !linesWithHidden.has(lineOf(release)) || memberships.get(releaseKey(release))?.some(wasMember) === true
  const joined = revision.joined.filter(isVisible)
  const left = revision.left.filter(isVisible)
  const isWhole = joined.length + left.length === revision.joined.length + revision.left.length
  const { reason, override, only, ...rest } = revision
  const pointers = revision.pointers.filter((move) => !linesWithHidden.has(lineKey(move)))
  // A change of the rule may move `latest` for some audiences and not for others.
  const changedLines =
    revision.rule === undefined ? new Set(releasesOf(revision).map(lineOf)) : linesWithHidden.keys()
  for (const key of changedLines) {
    const packageId = linesWithHidden.get(key)
    if (packageId === undefined) continue
    const [name = '', target = ''] = key.split(' ') // see lineKey
    const line = { name, packageId, target: target as Target, key }
    const move = await visibleMove(db, view, line, revision, { ...redaction, isVisible })
    if (move.from !== move.to) pointers.push({ package: name, target: line.target, ...move })
  }
  return {
    ...rest,
    ...(isWhole && reason !== undefined && { reason }),
    ...(isWhole && override !== undefined && { override }),
    ...(isWhole && only !== undefined && { only }),
    joined,
    left,
    pointers,
  }
}

interface LineWithHidden extends Line {
  /** `origin/name` */
  readonly name: string
  /** See {@link lineKey}. */
  readonly key: string
}

interface VisibleMove {
  readonly from: string | null
  readonly to: string | null
}

/** Returns the move of `latest` for the audience, on a line with hidden releases. */
async function visibleMove(
  db: Db,
  view: View,
  line: LineWithHidden,
  revision: Revision,
  redaction: Redaction & { isVisible: (release: ReleaseName) => boolean },
): Promise<VisibleMove> {
  const { audience, latest, isVisible } = redaction
  const { name, target, key } = line
  if (revision.rule !== undefined) {
    const spans = await listVisibleSpans(db, view, line, audience)
    const answerAt = (at: number) =>
      spans.find((span) => span.from <= at && at < (span.to ?? Infinity))?.ident ?? null
    const to = answerAt(revision.revision)
    latest.set(key, to)
    return { from: answerAt(revision.revision - 1), to }
  }
  if (ruleAt(view, revision.revision) === 'promoted') {
    const move = revision.pointers.find((other) => other.package === name && other.target === target)
    const ifVisible = (ident: string | null | undefined) =>
      typeof ident === 'string' && isVisible({ ident, target }) ? ident : null
    const to = ifVisible(move?.to)
    if (move !== undefined) latest.set(key, to)
    return { from: ifVisible(move?.from), to }
  }
  return highestMove(db, view, line, revision, redaction)
}

/**
 * Returns the move of `latest` under `highest`. Takes the answer after the previous revision from
 * `redaction.latest` if it is there, because reading all members of a line twice for each revision would take
 * seconds for a package with thousands of releases.
 */
async function highestMove(
  db: Db,
  view: View,
  line: LineWithHidden,
  revision: Revision,
  { audience, latest, memberships }: Redaction,
): Promise<VisibleMove> {
  const { key, target } = line
  const highestAt = async (at: number) =>
    (await findHighestVisible(db, view.id, line, at, audience))?.ident ?? null
  const known = latest.get(key)
  const from = known === undefined ? await highestAt(revision.revision - 1) : known
  const begun = (release: ReleaseName) =>
    memberships.get(releaseKey(release))?.find((membership) => membership.from === revision.revision)
  const joined = revision.joined.filter((release) => lineOf(release) === key && begun(release) !== undefined)
  const skipped = joined.filter((release) => begun(release)?.is_skipped === 1)
  const answering = joined.filter((release) => begun(release)?.is_skipped === 0)
  const doesEnd = [...revision.left, ...skipped].some(
    (release) => release.ident === from && release.target === target,
  )
  const to = doesEnd
    ? await highestAt(revision.revision)
    : answering.map(({ ident }) => ident).reduce(higher, from)
  latest.set(key, to)
  return { from, to }
}

function higher(one: string | null, other: string): string {
  return one !== null && compareReleases(parseIdent(one), parseIdent(other)) > 0 ? one : other
}

/**
 * Lists the lines of a view with releases that are hidden from the audience, with the ids of their packages.
 * `packages` restricts the list.
 */
export async function listLinesWithHidden(
  db: Db,
  viewId: number,
  packages: readonly string[] | 'all',
  audience: Audience,
): Promise<Map<string, number>> {
  const hidden = new Map<string, number>()
  for (const batch of packages === 'all' ? [undefined] : inBatches(packages)) {
    const rows = await db
      .selectFrom('lines')
      .select(['lines.package', 'lines.target', 'lines.package_id'])
      .where('lines.view_id', '=', viewId)
      .$if(batch !== undefined, (query) => query.where('lines.package', 'in', batch ?? []))
      .where((eb) => hasInvisible(eb, audience))
      .execute()
    for (const row of rows) hidden.set(lineKey(row), row.package_id)
  }
  return hidden
}

/**
 * The revisions at which a release joined and left, and whether `latest` skipped the release. `to` is `null`
 * while the release is a member.
 */
interface Membership {
  readonly from: number
  readonly to: number | null
  readonly is_skipped: number
}

/**
 * Lists the memberships of visible releases with these idents. A deleted ident may have been published again
 * as another release with another visibility; the memberships of the two releases do not overlap.
 */
async function listMembershipsByIdent(
  db: Db,
  viewId: number,
  idents: readonly string[],
  audience: Audience,
): Promise<Map<string, Membership[]>> {
  const intervals: (ReleaseName & Membership)[] = []
  for (const batch of inBatches(idents)) {
    const rows = await db
      .selectFrom('releases')
      .crossJoin('members') // the order of a cross join is kept: releases first
      .whereRef('members.package_id', '=', 'releases.package_id')
      .whereRef('members.release_id', '=', 'releases.id')
      .select([
        'releases.ident',
        'releases.target',
        'members.from_revision as from',
        'members.to_revision as to',
        'members.is_skipped',
      ])
      .where('releases.ident', 'in', batch)
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
