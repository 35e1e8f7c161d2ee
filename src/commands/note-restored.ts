import { findState, setState } from '../database/state-store.ts'
import type { Change } from '../ledger/change.ts'

/** Begins another history after the depot was put back to an older copy. Until the operator has settled it, bytes that no release needs are kept. */
export async function noteRestored(change: Change, { incarnation }: { incarnation: string }): Promise<void> {
  await setState(change.trx, 'incarnation', incarnation)
  await setState(
    change.trx,
    'orphans_kept_since',
    (await findState(change.trx, 'orphans_kept_since')) ?? String(change.clock.now),
  )
  await change.record({ kind: 'depot-restored', incarnation })
}

/** From now on bytes that no release needs are collected as in any other depot. */
export async function noteOrphansSettled(change: Change, _input: object): Promise<void> {
  await setState(change.trx, 'orphans_kept_since', undefined)
}
