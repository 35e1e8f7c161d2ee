import { durationStart } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { Db } from '../database/database.ts'
import { findState, setState } from '../database/state-store.ts'

/** How many releases the daily runs have removed since a time, in epoch milliseconds. */
interface Day {
  readonly since: number
  readonly removed: number
}

const DAY_MS = 24 * 60 * 60_000

/**
 * Counts the releases that daily runs have removed today. A day begins with its first removal and lasts 24
 * hours, even if the depot restarts meanwhile.
 */
export async function countRemovedToday(db: Db, clock: Clock): Promise<number> {
  return (await findToday(db, clock)).removed
}

/** Adds releases that a daily run removes to the count of today. */
export async function addRemovedToday(db: Db, clock: Clock, count: number): Promise<void> {
  const { since, removed } = await findToday(db, clock)
  const day: Day = { since, removed: removed + count }
  await setState(db, 'retention_day', JSON.stringify(day))
}

async function findToday(db: Db, clock: Clock): Promise<Day> {
  const stored = await findState(db, 'retention_day')
  const day = stored === undefined ? undefined : (JSON.parse(stored) as Day)
  const isToday = day !== undefined && durationStart(day.since, clock) > clock.now - DAY_MS
  return isToday ? day : { since: clock.now, removed: 0 }
}
