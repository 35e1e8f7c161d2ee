import type { Db } from '../database/database.ts'
import { listCandidates } from '../retention/candidate-store.ts'
import type { CandidatePlace } from '../retention/candidate-store.ts'
import { judge } from '../retention/judge.ts'
import type { Verdict } from '../retention/judge.ts'
import { readKeepers } from '../retention/keepers-store.ts'

/** How many releases are examined at a time. */
const RELEASES_OF_A_PAGE = 100

/** A part of the list of all releases. It begins after the place `after`. */
export interface JudgedPart {
  readonly after: CandidatePlace | undefined
  readonly limit?: number
  readonly origin?: string | undefined
  readonly name?: string | undefined
}

export interface JudgedPage {
  readonly verdicts: readonly Verdict[]
  /** The place of the last release; `undefined` at the end of the list. */
  readonly next: CandidatePlace | undefined
}

/**
 * Decides which releases of a part stay, as of `now`. With `onlySettled`, rules that changed less than a day
 * ago remove nothing.
 */
export async function judgePage(
  db: Db,
  { limit = RELEASES_OF_A_PAGE, ...part }: JudgedPart,
  { now, onlySettled }: { now: number; onlySettled: boolean },
): Promise<JudgedPage> {
  const candidates = await listCandidates(db, { ...part, limit })
  const verdicts = await judge(db, await readKeepers(db, now, { onlySettled }), candidates)
  const last = candidates.length < limit ? undefined : candidates.at(-1)
  return { verdicts, next: last && [last.packageId, last.target, last.orderKey] }
}
