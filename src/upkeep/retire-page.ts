import type { Actor } from '../access/access.ts'
import type { CommandQueue } from '../commands/commands.ts'
import type { Retired } from '../commands/retention/retire-releases.ts'
import { inBatches } from '../database/batches.ts'
import { formatIdent } from '../package/ident.ts'
import { MAX_RETIRED_AT_ONCE } from '../retention/candidate-store.ts'
import type { CandidatePlace } from '../retention/candidate-store.ts'
import type { JudgedPart } from './judge-page.ts'
import type { JudgeReleases } from './judging.ts'

/**
 * Removes the releases of a part that nothing keeps, at most `max`, in a few short commands. A crash between
 * two of them leaves the rest for the next run. Any number of callers may do this at once, because each
 * command decides again.
 */
export async function retirePage(
  depot: { readonly judge: JudgeReleases; readonly writer: CommandQueue; readonly quarantineMs: number },
  part: JudgedPart,
  { isDaily, max = Infinity, actor }: { isDaily: boolean; max?: number; actor: Actor },
): Promise<{ retired: Retired[]; next: CandidatePlace | undefined }> {
  const { verdicts, next } = await depot.judge(part, { onlySettled: isDaily })
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
