import type { Audience } from '../access/access.ts'
import { listVisibleIds } from '../changes/change-store.ts'
import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import { visibleTo } from '../releases/visible-store.ts'
import { redactRevisions, revisionOf } from '../revisions/history-store.ts'
import type { Revision } from '../revisions/history-store.ts'
import { findPlan } from '../revisions/plan-store.ts'
import { releasesIn } from '../revisions/stored-plan.ts'
import { findView } from '../revisions/view-store.ts'
import type { LedgerEntry, LedgerEvent } from '../ledger/entry.ts'
import { releaseKey } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'
import { entrySubjectOf } from './visibility.ts'
import type { EntrySubject, Reader } from './visibility.ts'

/** An entry as one reader sees it. */
export interface VisibleEntry {
  readonly sequence: number
  readonly digest: string
  readonly hash: string
  /** Absent if the entry is hidden from the reader. */
  readonly content?: EntryContent
}

/** What a reader sees of an entry, besides its place in the chain. */
export interface EntryContent {
  /** Epoch milliseconds. */
  readonly at: number
  /** The account; `undefined` if the depot itself or its command line acted. */
  readonly actor: string | undefined
  /** The client's name for itself. */
  readonly client: string
  /** The event. A promotion holds only the parts that the reader may see. */
  readonly event: LedgerEvent
  /** The input of the digest; present only if the reader may see the whole entry. */
  readonly hashed?: { readonly salt: string; readonly text: string }
}

/**
 * Redacts entries for a reader, by the present visibility of releases. `entries` must be oldest first, and
 * must not omit a promotion between two promotions of the same view.
 */
export async function redactEntries(
  db: Db,
  entries: readonly LedgerEntry[],
  reader: Reader,
): Promise<VisibleEntry[]> {
  const accounts = await listNames(db, entries)
  const { audience } = reader
  const withSubjects = audience.seesAll
    ? []
    : await Promise.all(
        entries.map(async (entry) => ({
          entry,
          subject: await resolvePlan(db, entrySubjectOf(entry.event), reader),
        })),
      )
  const knowledge: Knowledge = {
    account: reader.account,
    isMember: await membershipAt(db, withSubjects, audience),
    isVisible: await releaseVisibility(db, withSubjects, audience),
    changes: await listVisibleIds(
      db,
      withSubjects.flatMap(({ subject }) => (subject.of === 'change' ? [subject.record] : [])),
      audience,
    ),
    promotions: await redactPromotions(db, withSubjects, { audience, accounts }),
  }
  return entries.map((entry, index) => {
    const { sequence, digest, hash } = entry
    const subject = withSubjects[index]?.subject
    const seen = subject === undefined ? 'whole' : visiblePart(entry, subject, knowledge)
    return {
      sequence,
      digest,
      hash,
      ...(seen !== 'nothing' && { content: contentOf(entry, seen, accounts) }),
    }
  })
}

/** The part of an entry that a reader may see. For a redacted promotion, the part is the redacted event. */
type VisiblePart = 'whole' | 'nothing' | LedgerEvent

/** The facts that decide which entries of a page one reader may see. */
interface Knowledge {
  readonly account: Reader['account']
  /** Reports whether the reader was a member of an origin at a time. */
  readonly isMember: (origin: string, at: number) => boolean
  /** Reports whether the reader may see a release that existed at a time. */
  readonly isVisible: (release: ReleaseName, at: number) => boolean
  /** The ids of the changes that the reader may see. */
  readonly changes: ReadonlySet<string>
  /** What the reader may see of promotions, by sequence. */
  readonly promotions: ReadonlyMap<number, LedgerEvent | 'whole'>
}

function visiblePart(
  { at, sequence }: LedgerEntry,
  subject: EntrySubject,
  { account, isMember, isVisible, changes, promotions }: Knowledge,
): VisiblePart {
  switch (subject.of) {
    case 'everyone':
      return 'whole'
    case 'administrators':
    case 'plan': // resolvePlan has not found the plan
      return 'nothing'
    case 'account':
      return wholeIf(account === subject.account)
    case 'origin':
      return wholeIf(isMember(subject.origin, at) || (account !== undefined && account === subject.account))
    case 'releases':
      return wholeIf(subject.releases.every((release) => isVisible(release, at)))
    case 'change':
      return wholeIf(changes.has(subject.record))
    case 'promotion':
      return promotions.get(sequence) ?? 'nothing'
    default:
      return subject satisfies never
  }
}

function wholeIf(isAllowed: boolean): VisiblePart {
  return isAllowed ? 'whole' : 'nothing'
}

function contentOf(
  { at, actor, event, salt, text }: LedgerEntry,
  seen: LedgerEvent | 'whole',
  accounts: ReadonlyMap<number | undefined, string>,
): EntryContent {
  return {
    at,
    actor: accounts.get(actor.accountId),
    client: actor.client,
    event: seen === 'whole' ? event : seen,
    ...(seen === 'whole' && { hashed: { salt, text } }),
  }
}

/**
 * Replaces a plan by its releases: signed-in readers who see all of them see the plan. Drafts are deleted
 * after a while; then only administrators see their entries.
 */
async function resolvePlan(db: Db, subject: EntrySubject, { account }: Reader): Promise<EntrySubject> {
  if (subject.of !== 'plan' || account === undefined) return subject
  const plan = await findPlan(db, subject.plan)
  return plan === undefined ? subject : { of: 'releases', releases: releasesIn(plan.effect) }
}

interface EntryWithSubject {
  readonly entry: LedgerEntry
  readonly subject: EntrySubject
}

/** Returns the names of the accounts that made the entries, by id. */
async function listNames(db: Db, entries: readonly LedgerEntry[]): Promise<Map<number | undefined, string>> {
  const ids = [...new Set(entries.map(({ actor }) => actor.accountId))].filter((id) => id !== undefined)
  if (ids.length === 0) return new Map()
  const rows = await db.selectFrom('accounts').select(['id', 'name']).where('id', 'in', ids).execute()
  return new Map(rows.map(({ id, name }) => [id, name]))
}

/**
 * Returns a function that reports whether the reader was a member of an origin at a time. Membership counts
 * from the creation of the origin, because an earlier origin of the same name belonged to others.
 */
async function membershipAt(
  db: Db,
  withSubjects: readonly EntryWithSubject[],
  audience: Audience,
): Promise<(origin: string, at: number) => boolean> {
  const named = withSubjects.flatMap(({ subject }) =>
    subject.of === 'origin' && audience.origins.includes(subject.origin) ? [subject.origin] : [],
  )
  const since = new Map<string, number>()
  for (const batch of inBatches(named)) {
    const rows = await db
      .selectFrom('origins')
      .select(['name', 'created_at'])
      .where('name', 'in', batch)
      .where('deleted_at', 'is', null)
      .execute()
    for (const row of rows) since.set(row.name, row.created_at)
  }
  return (origin, at) => (since.get(origin) ?? Infinity) <= at
}

/**
 * Returns a function that reports whether the audience may see a release that existed at a time. The name of
 * a deleted release may belong to another one by now, so only releases of that time count.
 */
async function releaseVisibility(
  db: Db,
  withSubjects: readonly EntryWithSubject[],
  audience: Audience,
): Promise<(release: ReleaseName, at: number) => boolean> {
  const named = withSubjects.flatMap(({ subject }) => (subject.of === 'releases' ? subject.releases : []))
  const rows: {
    ident: string
    target: string
    created_at: number
    deleted_at: number | null
    is_visible: number
  }[] = []
  for (const batch of inBatches(named.map(({ ident }) => ident))) {
    const found = await db
      .selectFrom('releases')
      .select(['ident', 'target', 'created_at', 'deleted_at'])
      .select((eb) => eb.case().when(visibleTo(eb, audience)).then(1).else(0).end().as('is_visible'))
      .where('ident', 'in', batch)
      .execute()
    rows.push(...found)
  }
  const known = Map.groupBy(rows, releaseKey)
  return ({ ident, target }, at) => {
    const existing =
      known
        .get(releaseKey({ ident, target }))
        ?.filter((row) => row.created_at <= at && (row.deleted_at ?? Infinity) >= at) ?? []
    return existing.length > 0 && existing.every((row) => row.is_visible === 1)
  }
}

/** Returns the redacted promotions by sequence; `whole` where nothing is hidden. */
async function redactPromotions(
  db: Db,
  withSubjects: readonly EntryWithSubject[],
  viewer: { audience: Audience; accounts: ReadonlyMap<number | undefined, string> },
): Promise<Map<number, LedgerEvent | 'whole'>> {
  const redacted = new Map<number, LedgerEvent | 'whole'>()
  const promotions = withSubjects.flatMap(({ entry, subject }) =>
    subject.of === 'promotion' ? [{ entry, promotion: subject.promotion }] : [],
  )
  for (const [name, ofView] of Map.groupBy(promotions, ({ promotion }) => promotion.view)) {
    const view = await findView(db, name)
    if (view === undefined) continue
    const revisions = ofView.map(({ entry: { at, actor }, promotion }) =>
      revisionOf(promotion, { at, account: viewer.accounts.get(actor.accountId), client: actor.client }),
    )
    const visible = (await redactRevisions(db, view, revisions.toReversed(), viewer.audience)).toReversed()
    for (const [index, { entry }] of ofView.entries()) {
      const [revision, shown] = [revisions[index], visible[index]]
      if (revision === undefined || shown === undefined) continue
      const { at: _at, account: _account, client: _client, ...promotion } = shown
      redacted.set(
        entry.sequence,
        revision === shown || isUnredacted(revision, shown)
          ? 'whole'
          : { kind: 'promotion', view: name, ...promotion },
      )
    }
  }
  return redacted
}

/** Reports whether redaction removed nothing and changed no pointer. It may have reordered the pointers. */
function isUnredacted(before: Revision, after: Revision): boolean {
  return (
    before.joined.length === after.joined.length &&
    before.left.length === after.left.length &&
    before.reason === after.reason &&
    movesOf(before) === movesOf(after)
  )
}

function movesOf({ pointers }: Revision): string {
  return pointers
    .map(({ package: name, target, from, to }) => JSON.stringify([name, target, from, to]))
    .toSorted()
    .join()
}
