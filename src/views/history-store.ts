import type { ExpressionBuilder } from 'kysely'
import type { Actor, Audience } from '../accounts/access.ts'
import type { Db } from '../database/database.ts'
import type { Schema } from '../database/schema.ts'
import { DepotError } from '../errors.ts'
import type { PointerMove, Promotion, ReleaseName } from '../ledger/entry.ts'
import type { Target } from '../package/target.ts'
import { visibleTo } from '../releases/release-store.ts'
import type { View } from './view.ts'

// A view as it was at any of its revisions, as an audience may see it. Rows of `pointers` and `members` hold from `from_revision`
// until before `to_revision`, and `lines` has what the view ever pointed into, by name: a page is a walk along that index with
// seeks into the intervals, and the ledger is read only to show what it says of single revisions, never folded.

/** What `latest` of one package for one target answered. */
export interface PointerAt {
  /** `origin/name` */
  readonly package: string
  readonly target: Target
  readonly ident: string
  /** The revision since which it did, and when that was made. */
  readonly sinceRevision: number
  readonly since: number
}

export interface MemberAt {
  readonly ident: string
  readonly target: Target
  readonly sinceRevision: number
  readonly since: number
}

/** Where a page of lines begins, and what it is narrowed to. */
export interface LinePage<Place> {
  readonly origin?: string
  readonly name?: string
  readonly after?: Place
  readonly limit: number
}

export type PointerPlace = readonly [name: string, target: Target]
/** Members of a line stand in the order in which they were published. */
export type MemberPlace = readonly [name: string, target: Target, releaseId: number]

/** One revision, as its promotion made it. */
export interface Revision extends Omit<Promotion, 'kind' | 'view'> {
  readonly at: number
  /** `undefined` for what the depot itself or its operator's shell did. */
  readonly account: string | undefined
  /** What the client called itself. */
  readonly client: string
}

/** The revision a view is at or was at: of a number, itself; of a time, the last one made until then. Throws `not_found` for one not made yet. */
export async function getRevisionAt(db: Db, view: View, at: { revision: number } | { time: number } | undefined): Promise<number> {
  if (at === undefined) return view.revision
  if ('revision' in at) {
    if (at.revision <= view.revision) return at.revision
    throw new DepotError('not_found', `${view.name} is at revision ${view.revision}; there is no revision ${at.revision} yet`)
  }
  const row = await db
    .selectFrom('ledger')
    .select('revision')
    .where('view_id', '=', view.id)
    .where('revision', 'is not', null)
    .where('at', '<=', at.time)
    .orderBy('at', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.revision ?? 0
}

/** When a revision was made; `undefined` for revision 0. */
export async function findRevisionTime(db: Db, viewId: number, revision: number): Promise<number | undefined> {
  const row = await db.selectFrom('ledger').select('at').where('view_id', '=', viewId).where('revision', '=', revision).executeTakeFirst()
  return row?.at
}

/** What a view's `latest` answered at a revision, by package and target. */
export async function listPointersAt(db: Db, view: View, revision: number, page: LinePage<PointerPlace>, audience: Audience): Promise<PointerAt[]> {
  const { after } = page
  const rows = await linesOf(db, view.id, page)
    .crossJoin('pointers')
    .whereRef('pointers.view_id', '=', 'lines.view_id')
    .whereRef('pointers.package_id', '=', 'lines.package_id')
    .whereRef('pointers.target', '=', 'lines.target')
    .innerJoin('releases', 'releases.id', 'pointers.release_id')
    .innerJoin('ledger', (on) => on.onRef('ledger.view_id', '=', 'pointers.view_id').onRef('ledger.revision', '=', 'pointers.from_revision'))
    .select(['lines.package', 'lines.target', 'lines.package_id', 'releases.ident', 'pointers.from_revision', 'ledger.at'])
    .select((eb) => eb.case().when(visibleTo(eb, audience)).then(1).else(0).end().as('is_visible'))
    .where('pointers.from_revision', '=', (eb) =>
      eb
        .selectFrom('pointers as last')
        .select((inner) => inner.fn.max('last.from_revision').as('from_revision'))
        .whereRef('last.view_id', '=', 'lines.view_id')
        .whereRef('last.package_id', '=', 'lines.package_id')
        .whereRef('last.target', '=', 'lines.target')
        .where('last.from_revision', '<=', revision),
    )
    .where((eb) => eb.or([eb('pointers.to_revision', 'is', null), eb('pointers.to_revision', '>', revision)]))
    // Under `promoted`, what may not be seen is not there. Under `highest`, the highest that may be seen is.
    .where((eb) => (view.rule === 'promoted' ? visibleTo(eb, audience) : eb.or([visibleTo(eb, audience), hasVisibleMember(eb, revision, audience)])))
    .$if(after !== undefined, (query) => query.where((eb) => eb(eb.refTuple('lines.package', 'lines.target'), '>', eb.tuple(...(after ?? FIRST)))))
    .orderBy('lines.package')
    .orderBy('lines.target')
    .limit(page.limit)
    .execute()
  const found: PointerAt[] = []
  for (const { package_id, from_revision, at, is_visible, ...row } of rows) {
    const pointer = { ident: row.ident, target: row.target, sinceRevision: from_revision, since: at }
    const seen = is_visible === 1 ? pointer : await findHighestVisible(db, view.id, { packageId: package_id, target: row.target }, revision, audience)
    if (seen !== undefined) found.push({ package: row.package, ...seen })
  }
  return found
}

/** The members of a view at a revision, by package and target, and then as they were published. */
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
    .innerJoin('releases', (on) => on.onRef('releases.id', '=', 'members.release_id').onRef('releases.target', '=', 'lines.target'))
    .innerJoin('ledger', (on) => on.onRef('ledger.view_id', '=', 'members.view_id').onRef('ledger.revision', '=', 'members.from_revision'))
    .select(['lines.package', 'lines.target', 'releases.ident', 'members.release_id', 'members.from_revision', 'ledger.at'])
    .where((eb) => holdsAt(eb, revision))
    .where((eb) => visibleTo(eb, audience))
    .$if(after !== undefined, (query) =>
      query.where((eb) => eb(eb.refTuple('lines.package', 'lines.target', 'members.release_id'), '>', eb.tuple(...(after ?? ([...FIRST, 0] as const))))),
    )
    .orderBy('lines.package')
    .orderBy('lines.target')
    .orderBy('members.release_id')
    .limit(page.limit)
    .execute()
  return rows.map((row) => ({
    ident: row.ident,
    target: row.target,
    sinceRevision: row.from_revision,
    since: row.at,
    place: [row.package, row.target, row.release_id],
  }))
}

/** The revisions of a view before `before`, newest first. */
export async function listRevisions(db: Db, view: View, page: { before: number; limit: number }, audience: Audience): Promise<Revision[]> {
  const rows = await promotionsOf(db, view.id).where('ledger.revision', '<', page.before).orderBy('ledger.revision', 'desc').limit(page.limit).execute()
  return asSeenBy(audience, db, view, rows.map(revisionOf))
}

/** Throws `not_found`. */
export async function getRevision(db: Db, view: View, revision: number, audience: Audience): Promise<Revision> {
  const row = await promotionsOf(db, view.id).where('ledger.revision', '=', revision).executeTakeFirst()
  const [seen] = row === undefined ? [] : await asSeenBy(audience, db, view, [revisionOf(row)])
  if (seen === undefined) throw new DepotError('not_found', `${view.name} has no revision ${revision}; it is at revision ${view.revision}`)
  return seen
}

/** For how many packages and targets a view's `latest` has an answer that this audience may see, as the view stands. */
export async function countPointers(db: Db, viewId: number, audience: Audience): Promise<number> {
  const { count } = await db
    .selectFrom('pointers')
    .innerJoin('releases', 'releases.id', 'pointers.release_id')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('pointers.view_id', '=', viewId)
    .where('pointers.to_revision', 'is', null)
    .where((eb) => visibleTo(eb, audience))
    .executeTakeFirstOrThrow()
  return count
}

const FIRST = ['', 'x86_64-linux'] as const
const MOST_IN_A_LIST = 500

/** What is joined to it is joined by `crossJoin`, which SQLite takes as the order to read in: lines first, so that nothing is sorted. */
function linesOf(db: Db, viewId: number, page: { origin?: string; name?: string }) {
  const { origin, name } = page
  const lines = db.selectFrom('lines').where('lines.view_id', '=', viewId)
  if (origin !== undefined && name !== undefined) return lines.where('lines.package', '=', `${origin}/${name}`)
  // `0` is what follows `/`
  if (origin !== undefined) return lines.where('lines.package', '>', `${origin}/`).where('lines.package', '<', `${origin}0`)
  if (name === undefined) return lines
  return lines.where((eb) => eb.exists(eb.selectFrom('packages').select('packages.id').whereRef('packages.id', '=', 'lines.package_id').where('packages.name', '=', name)))
}

/** Whether a membership holds at a revision. */
function holdsAt(eb: ExpressionBuilder<Schema, 'members'>, revision: number) {
  return eb.and([eb('members.from_revision', '<=', revision), eb.or([eb('members.to_revision', 'is', null), eb('members.to_revision', '>', revision)])])
}

function hasVisibleMember(eb: ExpressionBuilder<Schema, 'lines'>, revision: number, audience: Audience) {
  return eb.exists(
    eb
      .selectFrom('members')
      .innerJoin('releases', 'releases.id', 'members.release_id')
      .select('members.release_id')
      .whereRef('members.view_id', '=', 'lines.view_id')
      .whereRef('members.package_id', '=', 'lines.package_id')
      .whereRef('releases.target', '=', 'lines.target')
      .where((inner) => holdsAt(inner, revision))
      .where((inner) => visibleTo(inner, audience)),
  )
}

/** The highest member of a line that an audience may see, and since when it was that to them. */
async function findHighestVisible(
  db: Db,
  viewId: number,
  line: { packageId: number; target: Target },
  revision: number,
  audience: Audience,
): Promise<MemberAt | undefined> {
  const members = db
    .selectFrom('members')
    .innerJoin('releases', 'releases.id', 'members.release_id')
    .where('members.view_id', '=', viewId)
    .where('members.package_id', '=', line.packageId)
    .where('releases.target', '=', line.target)
    .where((eb) => visibleTo(eb, audience))
  const highest = await members
    .select(['releases.ident', 'releases.target', 'releases.order_key', 'members.from_revision'])
    .where((eb) => holdsAt(eb, revision))
    .orderBy('releases.order_key', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (highest === undefined) return undefined
  // It joined, or the last of those above it left.
  const above = await members
    .select((eb) => eb.fn.max('members.to_revision').as('left_revision'))
    .where('releases.order_key', '>', highest.order_key)
    .where('members.to_revision', '<=', revision)
    .executeTakeFirst()
  const sinceRevision = Math.max(highest.from_revision, above?.left_revision ?? 0)
  const since = await findRevisionTime(db, viewId, sinceRevision)
  return { ident: highest.ident, target: highest.target, sinceRevision, since: since ?? 0 }
}

function promotionsOf(db: Db, viewId: number) {
  return db
    .selectFrom('ledger')
    .leftJoin('accounts', 'accounts.id', 'ledger.account_id')
    .select(['ledger.at', 'ledger.text', 'accounts.name as account'])
    .where('ledger.view_id', '=', viewId)
    .where('ledger.revision', 'is not', null)
}

function revisionOf(row: { at: number; text: string; account: string | null }): Revision {
  const { act, revision, cause, reason, joined, left, pointers, actor } = JSON.parse(row.text) as Promotion & { actor: Actor }
  return {
    revision,
    at: row.at,
    act,
    account: row.account ?? undefined,
    client: actor.client,
    ...(cause !== undefined && { cause }),
    ...(reason !== undefined && { reason }),
    joined,
    left,
    pointers,
  }
}

/**
 * Leaves out what an audience may not see, and tells of pointers as `latest` answered this audience. A reason may speak of what was
 * left out, and goes with it.
 */
async function asSeenBy(audience: Audience, db: Db, view: View, revisions: readonly Revision[]): Promise<Revision[]> {
  if (audience.seesAll) return [...revisions]
  const veiled = await listVeiledLines(db, view.id, revisions.flatMap(releasesOf).map(packageOf), audience)
  if (veiled.size === 0) return [...revisions]
  const named = revisions.flatMap(releasesOf).filter((release) => veiled.has(lineOf(release)))
  const visible = await listVisible(db, named.map(({ ident }) => ident), audience)
  const mayBeSeen = (release: ReleaseName) => !veiled.has(lineOf(release)) || visible.has(keyOf(release))

  const seen: Revision[] = []
  for (const revision of revisions) {
    const joined = revision.joined.filter(mayBeSeen)
    const left = revision.left.filter(mayBeSeen)
    const isWhole = joined.length + left.length === revision.joined.length + revision.left.length
    const { reason, ...rest } = revision
    const pointers: PointerMove[] = revision.pointers.filter((move) => !veiled.has(`${move.package} ${move.target}`))
    for (const line of new Set(releasesOf(revision).map(lineOf))) {
      const packageId = veiled.get(line)
      if (packageId === undefined) continue
      const [name = '', target = ''] = line.split(' ')
      const move = await moveSeen(db, view, { name, packageId, target: target as Target }, revision, { audience, mayBeSeen })
      if (move.from !== move.to) pointers.push(move)
    }
    seen.push({ ...rest, ...(isWhole && reason !== undefined && { reason }), joined, left, pointers })
  }
  return seen
}

/** How `latest` of a line that has releases which the audience may not see moved for this audience. */
async function moveSeen(
  db: Db,
  view: View,
  line: { name: string; packageId: number; target: Target },
  revision: Revision,
  eyes: { audience: Audience; mayBeSeen: (release: ReleaseName) => boolean },
): Promise<PointerMove> {
  const { target } = line
  if (view.rule === 'promoted') {
    const move = revision.pointers.find((candidate) => candidate.package === line.name && candidate.target === target)
    const seen = (ident: string | null | undefined) => (typeof ident === 'string' && eyes.mayBeSeen({ ident, target }) ? ident : null)
    return { package: line.name, target, from: seen(move?.from), to: seen(move?.to) }
  }
  const before = await findHighestVisible(db, view.id, line, revision.revision - 1, eyes.audience)
  const after = await findHighestVisible(db, view.id, line, revision.revision, eyes.audience)
  return { package: line.name, target, from: before?.ident ?? null, to: after?.ident ?? null }
}

/** Those lines of these packages that hold any release the audience may not see, with the ids of their packages. */
async function listVeiledLines(db: Db, viewId: number, packages: readonly string[], audience: Audience): Promise<Map<string, number>> {
  const veiled = new Map<string, number>()
  for (const some of inLists(packages)) {
    const rows = await db
      .selectFrom('lines')
      .select(['lines.package', 'lines.target', 'lines.package_id'])
      .where('lines.view_id', '=', viewId)
      .where('lines.package', 'in', some)
      .where((eb) =>
        eb.exists(
          eb
            .selectFrom('releases')
            .select('releases.id')
            .whereRef('releases.package_id', '=', 'lines.package_id')
            .whereRef('releases.target', '=', 'lines.target')
            .where((inner) => inner.not(visibleTo(inner, audience))),
        ),
      )
      .execute()
    for (const row of rows) veiled.set(`${row.package} ${row.target}`, row.package_id)
  }
  return veiled
}

async function listVisible(db: Db, idents: readonly string[], audience: Audience): Promise<Set<string>> {
  const visible = new Set<string>()
  for (const some of inLists(idents)) {
    const rows = await db
      .selectFrom('releases')
      .select(['releases.ident', 'releases.target'])
      .where('releases.ident', 'in', some)
      .where((eb) => visibleTo(eb, audience))
      .execute()
    for (const row of rows) visible.add(keyOf(row))
  }
  return visible
}

function inLists(values: readonly string[]): string[][] {
  const different = [...new Set(values)]
  return Array.from({ length: Math.ceil(different.length / MOST_IN_A_LIST) }, (_, index) => different.slice(index * MOST_IN_A_LIST, (index + 1) * MOST_IN_A_LIST))
}

function releasesOf(revision: Revision): ReleaseName[] {
  return [...revision.joined, ...revision.left]
}

function packageOf({ ident }: ReleaseName): string {
  return ident.split('/', 2).join('/')
}

function lineOf(release: ReleaseName): string {
  return `${packageOf(release)} ${release.target}`
}

function keyOf({ ident, target }: ReleaseName): string {
  return `${ident} ${target}`
}
