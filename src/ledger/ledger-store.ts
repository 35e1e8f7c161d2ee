import type { Actor } from '../accounts/access.ts'
import type { Db, Trx } from '../database/database.ts'
import { FIRST_HEAD, link } from './chain.ts'
import type { LedgerHead } from './chain.ts'
import type { LedgerEntry, LedgerEvent } from './entry.ts'

/** The rows an entry is about, for the indexes. */
export interface EntrySubject {
  readonly originId?: number
  readonly viewId?: number
  /** Of a promotion or demotion of one release that was asked for by itself. */
  readonly releaseId?: number
}

export async function findHead(db: Db): Promise<LedgerHead> {
  const last = await db.selectFrom('ledger').select(['sequence', 'hash', 'at']).orderBy('sequence', 'desc').limit(1).executeTakeFirst()
  return last ?? FIRST_HEAD
}

/** The end of the chain when a view's revision was made, which is the entry that made it; that of an empty one before the first. */
export async function findHeadOf(db: Db, viewId: number, revision: number): Promise<LedgerHead> {
  const made = await db.selectFrom('ledger').select(['sequence', 'hash', 'at']).where('view_id', '=', viewId).where('revision', '=', revision).executeTakeFirst()
  return made ?? FIRST_HEAD
}

/** Appends one entry to the chain that ends in `head`. Only the writer calls it; it keeps the new head once it has committed. */
export async function appendEntry(
  trx: Trx,
  head: LedgerHead,
  entry: { at: number; actor: Actor; event: LedgerEvent; subject: EntrySubject },
): Promise<{ entry: LedgerEntry; head: LedgerHead }> {
  const { at, actor, event, subject } = entry
  const sequence = head.sequence + 1
  const text = JSON.stringify({ at, actor, ...event })
  const chained = link(head, text)
  await trx
    .insertInto('ledger')
    .values({
      sequence,
      at,
      kind: event.kind,
      account_id: actor.accountId ?? null,
      origin_id: subject.originId ?? null,
      view_id: subject.viewId ?? null,
      release_id: subject.releaseId ?? null,
      revision: event.kind === 'promotion' ? event.revision : null,
      text,
      ...chained,
    })
    .execute()
  return { entry: { sequence, at, actor, event, text, ...chained }, head: { sequence, hash: chained.hash, at } }
}

/** Which entries are read: of those after `after` and through `through`, the first `limit`, of these kinds if any are named. */
export interface EntriesAsked {
  readonly after: number
  readonly through: number
  readonly limit: number
  readonly kinds?: readonly string[]
}

/** Oldest first, whoever may see them. */
export async function listEntries(db: Db, asked: EntriesAsked): Promise<LedgerEntry[]> {
  const { kinds } = asked
  const rows = await db
    .selectFrom('ledger')
    .select(['sequence', 'salt', 'digest', 'hash', 'text'])
    .where('sequence', '>', asked.after)
    .where('sequence', '<=', asked.through)
    .$if(kinds !== undefined, (query) => query.where('kind', 'in', kinds ?? []))
    .orderBy('sequence')
    .limit(asked.limit)
    .execute()
  return rows.map((row) => {
    const { at, actor, ...event } = JSON.parse(row.text) as { at: number; actor: Actor } & LedgerEvent
    return { ...row, at, actor, event }
  })
}
