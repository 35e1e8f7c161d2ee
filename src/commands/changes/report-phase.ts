import { UNRESTRICTED_AUDIENCE, allowsView } from '../../access/access.ts'
import { expectRole } from '../../access/rights.ts'
import { MAX_PHASES } from '../../changes/change-record.ts'
import type { ChangeRecord } from '../../changes/change-record.ts'
import { getChange, updateState } from '../../changes/change-store.ts'
import { replacePhase } from '../../changes/phase-store.ts'
import { findLease } from '../../changes/lease-store.ts'
import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { originOf } from '../../package/ident.ts'
import { getView } from '../../revisions/view-store.ts'
import { describePhase, expectViewFits, stateOf } from '../../views/phase.ts'
import type { PhaseStatus } from '../../views/phase.ts'

export interface ReportedPhase {
  /** The id of the change for clients. */
  readonly change: string
  readonly phase: string
  readonly view?: string
  readonly status: PhaseStatus
  readonly job?: string
  readonly message?: string
  /** The fence of the lease under which the phase ran. */
  readonly fence?: number
}

/**
 * Stores how a phase of a change stands. A report that repeats the last one changes nothing, unless releases
 * were added to the change since. Throws `not_found` for an absent change or view, `forbidden`,
 * `invalid_request` if the phase needs a view or must not name one, `lease_lost` if the phase was leased
 * again after `fence`, and `conflict` if the change has {@link MAX_PHASES} other phases.
 */
export async function reportPhase(context: CommandContext, input: ReportedPhase): Promise<void> {
  const { trx, actor, at, clock } = context
  const { phase, status, job, message, fence } = input
  const change = await getReportableChange(context, input.change)
  const view = await getViewOfPhase(context, input)
  const lease = await findLease(trx, { changeId: change.id, phase, view }, clock)
  if (fence !== undefined && lease !== undefined && fence < lease.fence)
    throw new DepotError(
      'lease_lost',
      `${describePhase({ phase, view })} of ${change.change} is leased to ${lease.holder} by now: this report was not stored`,
    )
  const others = change.phases.filter((one) => one.phase !== phase || one.view !== view)
  const before = change.phases.find((one) => !others.includes(one))
  if (before === undefined && others.length >= MAX_PHASES)
    throw new DepotError(
      'conflict',
      `${change.change} of ${change.project} has ${MAX_PHASES} phases, which is the limit`,
    )
  const isRepeated =
    before?.status === status &&
    before.job === job &&
    before.message === message &&
    before.releaseCount === change.releases.length
  if (isRepeated) return
  await replacePhase(trx, change, { phase, view, status, job, message, at, accountId: actor.accountId })
  await updateState(trx, change.id, stateOf([...others.map((one) => one.status), status]))
  await context.record(
    {
      kind: 'phase-reported',
      record: change.publicId,
      project: change.project,
      change: change.change,
      phase,
      ...(view !== undefined && { view }),
      status,
      job: job ?? null,
      message: message ?? null,
    },
    { originId: change.originId },
  )
}

/** Returns a change about which the caller may report. Throws `not_found` and `forbidden`. */
export async function getReportableChange(
  { trx, caller }: CommandContext,
  publicId: string,
): Promise<ChangeRecord> {
  const change = await getChange(trx, publicId, UNRESTRICTED_AUDIENCE)
  if (caller !== 'operator') expectRole(caller, 'member', originOf(change.project), 'upload')
  return change
}

/**
 * Returns the name of the view in which a phase runs, if it runs in one. Throws `not_found`,
 * `invalid_request` if the phase needs a view or must not name one, and `forbidden` for a token that is
 * narrowed to other views.
 */
export async function getViewOfPhase(
  { trx, caller }: CommandContext,
  { phase, view: name }: { phase: string; view?: string },
): Promise<string | undefined> {
  expectViewFits(phase, name)
  if (name === undefined) return undefined
  const view = await getView(trx, name)
  if (caller !== 'operator' && !allowsView(caller, view.name))
    throw new DepotError('forbidden', `this token may not report for ${view.name}`)
  return view.name
}
