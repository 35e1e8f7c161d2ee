import type { Db } from '../database/database.ts'
import { findState, setState } from '../database/state-store.ts'

/** Lists the patterns of reserved names, in the order in which they were stored. */
export async function listReserved(db: Db): Promise<string[]> {
  return JSON.parse((await findState(db, 'reserved_origins')) ?? '[]') as string[]
}

/** Replaces all patterns of reserved names. */
export async function setReserved(db: Db, patterns: readonly string[]): Promise<void> {
  await setState(db, 'reserved_origins', patterns.length === 0 ? undefined : JSON.stringify(patterns))
}
