import type { Authority } from '../../access/access.ts'
import { DepotError, refusalOf } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import type { PackageFilter } from '../../views/change-request.ts'
import { MAX_FREEZES, withFreeze, withoutFreeze } from '../../views/freeze.ts'
import type { Freeze } from '../../views/freeze.ts'
import { listCommonFreezes, setCommonFreezes, setFreezes } from '../../revisions/freeze-store.ts'
import { requesterOf, promotersAllow } from '../../views/gates.ts'
import type { View } from '../../views/view.ts'
import { getView } from '../../revisions/view-store.ts'
import { getViewWithGates } from './set-gates.ts'

/** The packages to freeze (all of them if the filter is empty), and why. */
interface FreezeInput extends PackageFilter {
  readonly reason: string
  /** The end in epoch milliseconds; without it, the freeze lasts until it is ended. */
  readonly until?: number
}

/**
 * Stops all changes of a view, or of some packages in it, until a time or a thaw. Replaces a freeze of the
 * same packages. Throws `not_found` for the view, `forbidden`, `refused` for `unstable`, for previews and at
 * {@link MAX_FREEZES}, and `invalid_request` for an end in the past.
 */
export async function freeze(
  context: CommandContext,
  { view: name, ...input }: FreezeInput & { view: string },
): Promise<View> {
  const view = await getViewWithGates(context, name)
  expectMayFreeze(view, context.caller)
  await setFreezes(context.trx, view.id, addFreeze(context, ownFreezes(view), input))
  await context.record(
    {
      kind: 'view-frozen',
      view: view.name,
      ...filterOf(input),
      reason: input.reason,
      until: input.until ?? null,
    },
    { viewId: view.id },
  )
  return getView(context.trx, view.name)
}

/**
 * Ends the freeze of a view, or of exactly these packages in it. Does nothing without such a freeze. Throws
 * `not_found` and `forbidden`.
 */
export async function thaw(
  context: CommandContext,
  { view: name, ...only }: PackageFilter & { view: string },
): Promise<View> {
  const view = await getView(context.trx, name)
  expectMayFreeze(view, context.caller)
  const before = ownFreezes(view)
  const after = withoutFreeze(before, only)
  if (after.length === before.length) return view
  await setFreezes(context.trx, view.id, after)
  await context.record({ kind: 'view-thawed', view: view.name, ...filterOf(only) }, { viewId: view.id })
  return getView(context.trx, view.name)
}

/** Like {@link freeze}, for every present and future view except `unstable` and previews. */
export async function freezeAll(context: CommandContext, input: FreezeInput): Promise<readonly Freeze[]> {
  const freezes = addFreeze(context, await listCommonFreezes(context.trx), input)
  await setCommonFreezes(context.trx, freezes)
  await context.record(
    { kind: 'views-frozen', ...filterOf(input), reason: input.reason, until: input.until ?? null },
    {},
  )
  return freezes
}

/**
 * Ends the freeze that {@link freezeAll} made for exactly these packages. Does nothing without such a freeze.
 * Freezes of single views are kept.
 */
export async function thawAll(context: CommandContext, only: PackageFilter): Promise<readonly Freeze[]> {
  const before = await listCommonFreezes(context.trx)
  const after = withoutFreeze(before, only)
  if (after.length === before.length) return before
  await setCommonFreezes(context.trx, after)
  await context.record({ kind: 'views-thawed', ...filterOf(only) }, {})
  return after
}

/**
 * Adds a freeze to a list. Throws `invalid_request` for an end in the past, and `refused` at {@link
 * MAX_FREEZES}.
 */
function addFreeze(
  context: CommandContext,
  before: readonly Freeze[],
  { reason, until, ...only }: FreezeInput,
): Freeze[] {
  if (until !== undefined && until <= context.clock.now)
    throw refusalOf('invalid_request', [{ detail: 'until is in the past', pointer: '/until' }])
  const by = context.caller === 'operator' ? 'the operator' : context.caller.accountName
  const after = withFreeze(before, {
    ...filterOf(only),
    reason,
    by,
    since: context.at,
    ...(until !== undefined && { until }),
  })
  if (after.length > MAX_FREEZES)
    throw new DepotError('refused', `there are already ${MAX_FREEZES} freezes: end some of them`)
  return after
}

/** Returns the freezes of a view without those of every view. */
function ownFreezes({ freezes }: View): Freeze[] {
  return freezes.filter(({ isOfAll }) => !isOfAll).map(({ isOfAll: _isOfAll, ...own }) => own)
}

function filterOf({ origin, name }: PackageFilter): PackageFilter {
  return { ...(origin !== undefined && { origin }), ...(name !== undefined && { name }) }
}

/**
 * Throws `forbidden` unless the caller is an administrator or a promoter that the view names. A token
 * narrowed to origins is not enough, because a freeze concerns every origin.
 */
function expectMayFreeze(view: View, caller: Authority): void {
  const requester = requesterOf(caller)
  if (
    requester === undefined ||
    requester.isAdministrator ||
    (requester.reaches === 'all' &&
      view.gates.promoters !== undefined &&
      promotersAllow(requester, view.gates))
  )
    return
  throw new DepotError('forbidden', `${requester.account} may not freeze or thaw ${view.name}`)
}
