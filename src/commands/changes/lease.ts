import type { ChangeRecord } from '../../changes/change-record.ts'
import { LEASE_MS, findLease, isHeld, saveLease } from '../../changes/lease-store.ts'
import type { Lease, LeasedPhase } from '../../changes/lease-store.ts'
import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { describePhase } from '../../views/phase.ts'
import { getReportableChange, getViewOfPhase } from './report-phase.ts'

// Only one holder of a lease runs a phase of a change at a time. Each new lease has a higher fence, a number
// by which reports under an earlier lease are recognized. Leases are rows, so that no second pipeline begins
// after a restart. They are not in the ledger, because nobody needs to know of them once they have ended.

interface Phase {
  /** The id of the change for clients. */
  readonly change: string
  readonly phase: string
  readonly view?: string
}

/** A lease that was just taken or renewed. */
export interface HeldLease {
  readonly fence: number
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

/**
 * Leases a phase to a holder for {@link LEASE_MS}. While the phase is leased, only the same holder can take
 * it again, with a higher fence; with `isTakeover`, any holder can. Throws `phase_running`, `not_found`,
 * `invalid_request` and `forbidden`.
 */
export async function takeLease(
  context: CommandContext,
  input: Phase & { readonly holder: string; readonly isTakeover: boolean },
): Promise<HeldLease> {
  const { trx, clock, at } = context
  const { holder, isTakeover } = input
  const { change, leased } = await phaseOf(context, input)
  const last = await findLease(trx, leased, clock)
  if (last !== undefined && isHeld(last, clock) && last.holder !== holder && !isTakeover)
    throw new DepotError(
      'phase_running',
      `${describePhase(leased)} of ${change.change} is running: ${last.holder} has it until ${timeOf(last)}`,
      { more: { holder: last.holder, expires_at: timeOf(last) } },
    )
  // The commit time makes fences rise even after the depot was restored from an older copy.
  const fence = Math.max(at, (last?.fence ?? 0) + 1)
  await saveLease(trx, leased, { fence, holder, renewedAt: clock.now })
  return { fence, expiresAt: clock.now + LEASE_MS }
}

/**
 * Renews a lease for {@link LEASE_MS}, also one that has expired. Throws `lease_lost` if the lease was ended
 * or the phase was leased again since, `not_found`, `invalid_request` and `forbidden`.
 */
export async function renewLease(
  context: CommandContext,
  input: Phase & { readonly fence: number },
): Promise<HeldLease> {
  const { leased, lease } = await getLease(context, input)
  const { fence, holder } = lease
  await saveLease(context.trx, leased, { fence, holder, renewedAt: context.clock.now })
  return { fence, expiresAt: context.clock.now + LEASE_MS }
}

/**
 * Ends a lease before it expires. Does nothing if the phase was leased again since. Throws `not_found`,
 * `invalid_request` and `forbidden`.
 */
export async function endLease(
  context: CommandContext,
  input: Phase & { readonly fence: number },
): Promise<void> {
  const { leased } = await phaseOf(context, input)
  const lease = await findLease(context.trx, leased, context.clock)
  if (lease?.fence !== input.fence) return
  await saveLease(context.trx, leased, { ...lease, renewedAt: undefined })
}

/**
 * Returns the lease with the fence of the input. Throws `lease_lost` if it was ended or is not the last one
 * of its phase.
 */
async function getLease(
  context: CommandContext,
  input: Phase & { readonly fence: number },
): Promise<{ leased: LeasedPhase; lease: Lease }> {
  const { change, leased } = await phaseOf(context, input)
  const lease = await findLease(context.trx, leased, context.clock)
  const isLast = lease?.fence === input.fence
  if (isLast && lease.expiresAt !== undefined) return { leased, lease }
  const state = isLast
    ? 'has no lease, because it was ended'
    : lease === undefined
      ? 'has no lease'
      : `is leased to ${lease.holder} by now`
  throw new DepotError('lease_lost', `${describePhase(leased)} of ${change.change} ${state}`)
}

async function phaseOf(
  context: CommandContext,
  input: Phase,
): Promise<{ change: ChangeRecord; leased: LeasedPhase }> {
  const change = await getReportableChange(context, input.change)
  const view = await getViewOfPhase(context, input)
  return { change, leased: { changeId: change.id, phase: input.phase, view } }
}

function timeOf({ expiresAt = 0 }: Lease): string {
  return new Date(expiresAt).toISOString()
}
