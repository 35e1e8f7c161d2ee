import { findState, setState } from '../database/state-store.ts'
import type { Change } from '../ledger/command-context.ts'

/** Starts a new history after the depot was restored from an older copy. Unneeded bytes are kept until the operator has settled them. */
export async function noteRestored(change: Change, { incarnation }: { incarnation: string }): Promise<void> {
  await setState(change.trx, 'incarnation', incarnation)
  await setState(
    change.trx,
    'orphans_kept_since',
    (await findState(change.trx, 'orphans_kept_since')) ?? String(change.clock.now),
  )
  await change.record({ kind: 'depot-restored', incarnation })
}

/** Resumes the collection of bytes that no release needs. */
export async function noteOrphansSettled(change: Change, _input: object): Promise<void> {
  await setState(change.trx, 'orphans_kept_since', undefined)
}
