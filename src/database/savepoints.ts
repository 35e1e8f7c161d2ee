import { sql } from 'kysely'
import type { Trx } from './database.ts'
import { prepared } from './prepared.ts'

// The savepoint that the writer sets before a command, so that it can undo this command alone. At most one
// savepoint exists at a time.

export function setSavepoint(trx: Trx): Promise<unknown> {
  return set(trx, {})
}

export function releaseSavepoint(trx: Trx): Promise<unknown> {
  return release(trx, {})
}

/** Undoes everything since the savepoint. The transaction goes on. */
export async function undoToSavepoint(trx: Trx): Promise<void> {
  await undo(trx, {})
  await release(trx, {})
}

const set = prepared()((db) => ({ compile: () => sql`savepoint command`.compile(db) }))
const release = prepared()((db) => ({ compile: () => sql`release savepoint command`.compile(db) }))
const undo = prepared()((db) => ({ compile: () => sql`rollback to savepoint command`.compile(db) }))
