import { findState, setState } from '../database/state-store.ts'
import type { CommandContext } from '../ledger/command-context.ts'

/**
 * Starts a new history after the database was restored from an older copy. `incarnation` is the id of the new
 * history. From now on, blobs that no release needs are kept, because they may be uploads that the copy
 * lacks. {@link resumeCollection} lets them be collected again.
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

/** Resumes the collection of blobs that no release needs. */
export async function resumeCollection(context: CommandContext, _input: object): Promise<void> {
  await setState(context.trx, 'orphans_kept_since', undefined)
}
