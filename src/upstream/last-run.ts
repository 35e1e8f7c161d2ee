import type { Db } from '../database/database.ts'
import { findState } from '../database/state-store.ts'

/** The run of a mirror in progress, or the last one. Times are epoch milliseconds. */
export interface MirrorStatus {
  readonly begunAt: number | undefined
  /** `undefined` while a run is in progress, and before the first one. */
  readonly endedAt: number | undefined
  /** The number of releases that were not here when the run began. */
  readonly planned: number
  readonly fetched: number
  readonly bytes: number
  readonly failed: number
  /**
   * Why the run has ended early, which channel was not refreshed, or why the first release could not be
   * fetched, as a sentence.
   */
  readonly fault: string | undefined
  /** When the last run without a fault ended. */
  readonly succeededAt: number | undefined
}

/** The status before the first run. */
export const NEVER: MirrorStatus = {
  begunAt: undefined,
  endedAt: undefined,
  planned: 0,
  fetched: 0,
  bytes: 0,
  failed: 0,
  fault: undefined,
  succeededAt: undefined,
}

/** Reads the outcome of the last run of the mirror that ended. */
export async function readLastRun(db: Db): Promise<MirrorStatus | undefined> {
  const stored = await findState(db, 'mirrored')
  return stored === undefined ? undefined : { ...NEVER, ...(JSON.parse(stored) as Partial<MirrorStatus>) }
}
