import { sql } from 'kysely'
import type { Actor } from '../access/access.ts'
import type { Db, Trx } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'
import type { LedgerTable } from '../database/tables/depot.ts'
import { FIRST_HEAD, link } from './chain.ts'
import type { LedgerHead } from './chain.ts'
import { MAX_CLOCK_SKEW_MS } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { parseEntry } from './entry.ts'
import type { LedgerEntry, LedgerEvent } from './entry.ts'

/** Ids of the rows that an entry is about, for the indexes. */
export interface SubjectIds {
  readonly originId?: number
  readonly viewId?: number
  /** Set for a promotion or demotion of a single release. */
  readonly releaseId?: number
}

/** Finds the last entry of the ledger. */
export async function findHead(db: Db): Promise<LedgerHead> {
  const last = await db
    .selectFrom('ledger')
    .select(['sequence', 'hash', 'at'])
    .orderBy('sequence', 'desc')
    .limit(1)
    .executeTakeFirst()
  return last ?? FIRST_HEAD
}

/** Finds the entry that made a revision of a view. Revision 0 has the head of an empty ledger. */
export async function findHeadOf(db: Db, viewId: number, revision: number): Promise<LedgerHead> {
  const [made] = await entryOfRevision(db, { viewId, revision })
  return made ?? FIRST_HEAD
}

const entryOfRevision = prepared<{ viewId: number; revision: number }>()((db, { viewId, revision }) =>
  db
    .selectFrom('ledger')
    .select(['sequence', 'hash', 'at'])
    .where('view_id', '=', viewId)
    .where('revision', '=', revision),
)

/** Finds the hash of an entry. Sequence 0 has that of an empty ledger. */
export async function findHash(db: Db, sequence: number): Promise<string | undefined> {
  if (sequence === 0) return FIRST_HEAD.hash
  const row = await db.selectFrom('ledger').select('hash').where('sequence', '=', sequence).executeTakeFirst()
  return row?.hash
}

/** Lists what makes entries a chain, oldest first. */
export async function listLinks(
  db: Db,
  { after, limit }: { after: number; limit: number },
): Promise<{ sequence: number; digest: string; hash: string }[]> {
  return db
    .selectFrom('ledger')
    .select(['sequence', 'digest', 'hash'])
    .where('sequence', '>', after)
    .orderBy('sequence')
    .limit(limit)
    .execute()
}

/**
 * Appends an entry to the chain that ends in `head`, and returns the new head. Only the writer calls this.
 */
export async function appendEntry(
  trx: Trx,
  head: LedgerHead,
  entry: { at: number; clock: Clock; actor: Actor; event: LedgerEvent; subject: SubjectIds },
): Promise<{ entry: LedgerEntry; head: LedgerHead }> {
  const { at, actor, event, subject } = entry
  // Durations count from the wall clock. It is stored only if the commit time is far ahead of it.
  const wallClock = at - entry.clock.now > MAX_CLOCK_SKEW_MS ? entry.clock.now : undefined
  const sequence = head.sequence + 1
  const text = JSON.stringify({ at, clock: wallClock, actor, ...event })
  const chained = link(head, text)
  await insertEntry(trx, {
    sequence,
    at,
    kind: event.kind,
    account_id: actor.accountId ?? null,
    origin_id: subject.originId ?? null,
    view_id: subject.viewId ?? null,
    release_id: subject.releaseId ?? null,
    revision: event.kind === 'promotion' ? event.revision : null,
    text,
    clock: wallClock ?? null,
    ...chained,
  })
  return {
    entry: { sequence, at, actor, event, text, ...chained },
    head: { sequence, hash: chained.hash, at },
  }
}

const insertEntry = prepared<{ [Column in keyof LedgerTable]: LedgerTable[Column] }>()((db, entry) =>
  db.insertInto('ledger').values({
    sequence: entry.sequence,
    at: entry.at,
    kind: entry.kind,
    account_id: entry.account_id,
    origin_id: entry.origin_id,
    view_id: entry.view_id,
    release_id: entry.release_id,
    revision: entry.revision,
    text: entry.text,
    clock: entry.clock,
    salt: entry.salt,
    digest: entry.digest,
    hash: entry.hash,
  }),
)

/**
 * Selects the first `limit` entries of the given kinds after the entry `after`, up to and including
 * `through`. If entries are large, a page has fewer.
 */
export interface EntryQuery {
  readonly after: number
  readonly through: number
  readonly limit: number
  readonly kinds?: readonly string[]
}

/** All entries that match the query, up to and including `through`. */
export interface EntryPage {
  readonly entries: readonly LedgerEntry[]
  readonly through: number
}

/**
 * The maximum number of bytes of text in a page, without its last entry. One promotion may name thousands of
 * releases.
 */
export const MAX_PAGE_TEXT_BYTES = 256 * 1024

/** Lists entries, oldest first, regardless of visibility. */
export async function listEntries(db: Db, { after, through, limit, kinds }: EntryQuery): Promise<EntryPage> {
  const matching = db
    .selectFrom('ledger')
    .where('sequence', '>', after)
    .$if(kinds !== undefined, (query) => query.where('kind', 'in', kinds ?? []))
    .orderBy('sequence')
  const sizes = await matching
    .select(['sequence', sql<number>`octet_length(text)`.as('bytes')])
    .where('sequence', '<=', through)
    .limit(limit)
    .execute()
  const last = lastWithin(sizes)
  if (last === undefined) return { entries: [], through }
  const rows = await matching
    .select(['sequence', 'salt', 'digest', 'hash', 'text'])
    .where('sequence', '<=', last)
    .execute()
  const entries = rows.map(parseEntry)
  const isAll = sizes.length < limit && last === sizes.at(-1)?.sequence
  return { entries, through: isAll ? through : last }
}

/**
 * Returns the sequence of the last entry of a page, which is the one that fills the page; `undefined` without
 * entries.
 */
function lastWithin(sizes: readonly { sequence: number; bytes: number }[]): number | undefined {
  let remaining = MAX_PAGE_TEXT_BYTES
  const filling = sizes.find(({ bytes }) => (remaining -= bytes) <= 0)
  return (filling ?? sizes.at(-1))?.sequence
}
