import { findState, setState } from '../database/state-store.ts'
import type { CommandContext } from '../ledger/command-context.ts'

/**
 * Starts a new history after the depot was restored from an older copy. Unneeded bytes are kept until the
 * operator has settled them.
 */
export async function recordRestore(
  context: CommandContext,
  { incarnation }: { incarnation: string },
): Promise<void> {
  await setState(context.trx, 'incarnation', incarnation)
  await setState(
    context.trx,
    'orphans_kept_since',
    (await findState(context.trx, 'orphans_kept_since')) ?? String(context.clock.now),
  )
  await context.record({ kind: 'depot-restored', incarnation })
}

/** Resumes the collection of bytes that no release needs. */
export async function resumeCollection(context: CommandContext, _input: object): Promise<void> {
  await setState(context.trx, 'orphans_kept_since', undefined)
}
