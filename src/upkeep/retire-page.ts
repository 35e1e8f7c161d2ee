import type { Actor } from '../access/access.ts'
import type { CommandQueue } from '../commands/commands.ts'
import { MAX_RETIRED_AT_ONCE } from '../commands/retention/retire-releases.ts'
import type { Retired } from '../commands/retention/retire-releases.ts'
import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import { formatIdent } from '../package/ident.ts'
import { listCandidates } from '../retention/candidate-store.ts'
import type { CandidatePlace } from '../retention/candidate-store.ts'
import { judge } from '../retention/judge.ts'
import type { Verdict } from '../retention/judge.ts'
import { readKeepers } from '../retention/keepers-store.ts'

/** How many releases are examined at a time. */
const RELEASES_OF_A_PAGE = 100

/** A part of all releases. `after` is the place after which it begins. */
export interface JudgedPart {
  readonly after: CandidatePlace | undefined
  readonly limit?: number
  readonly origin?: string | undefined
  readonly name?: string | undefined
}

interface Dependencies {
  readonly db: Db
  readonly now: () => number
}

/**
 * Decides about a part of all releases. `next` is the place of its last release; absent at the end of all.
 */
export async function judgePage(
  { db, now }: Dependencies,
  { limit = RELEASES_OF_A_PAGE, ...part }: JudgedPart,
  { onlySettled = false }: { onlySettled?: boolean } = {},
): Promise<{ verdicts: Verdict[]; next: CandidatePlace | undefined }> {
  const candidates = await listCandidates(db, { ...part, limit })
  const verdicts = await judge(db, await readKeepers(db, now(), { onlySettled }), candidates)
  const last = candidates.length < limit ? undefined : candidates.at(-1)
  return { verdicts, next: last && [last.packageId, last.target, last.orderKey] }
}

/**
 * Removes what goes of a part of all releases, at most `max`, in a few short commands. A crash between two of
 * them leaves the rest for the next run. Any number of callers may do this at once: each command decides
 * anew.
 */
export async function retirePage(
  depot: Dependencies & { readonly writer: CommandQueue; readonly quarantineMs: number },
  part: JudgedPart,
  { isDaily, max = Infinity, actor }: { isDaily: boolean; max?: number; actor: Actor },
): Promise<{ retired: Retired[]; next: CandidatePlace | undefined }> {
  const { verdicts, next } = await judgePage(depot, part, { onlySettled: isDaily })
  const going = verdicts
    .filter(({ reasons }) => reasons.length === 0)
    .map(({ release: { ident, target } }) => ({ ident: formatIdent(ident), target }))
    .slice(0, max)
  const retired: Retired[] = []
  for (const releases of inBatches(going, MAX_RETIRED_AT_ONCE)) {
    const input = { releases, quarantineMs: depot.quarantineMs, isDaily }
    retired.push(...(await depot.writer.submit({ kind: 'retireReleases', input, actor })).retired)
  }
  return { retired, next }
}
