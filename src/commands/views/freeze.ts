import type { Authority } from '../../access/access.ts'
import { DepotError, refusalOf } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import type { PackageFilter } from '../../views/change-request.ts'
import { MAX_FREEZES, isInForce, withFreeze, withoutFreeze } from '../../views/freeze.ts'
import type { Freeze } from '../../views/freeze.ts'
import type { Override } from '../../views/gates.ts'
import { listCommonFreezes, setCommonFreezes, setFreezes } from '../../revisions/freeze-store.ts'
import { mayOverride, promotersAllow, recordedOverride, requesterOf } from '../../views/gates.ts'
import type { View } from '../../views/view.ts'
import { getView } from '../../revisions/view-store.ts'
import { getViewWithGates } from './set-gates.ts'

/** The packages to freeze (all of them if the filter is empty), and why. */
interface FreezeInput extends PackageFilter {
  readonly reason: string
  /** The end in epoch milliseconds; without it, the freeze lasts until it is ended. */
  readonly until?: number
  readonly override?: Override
}

/** The packages whose freeze ends. */
interface ThawInput extends PackageFilter {
  readonly override?: Override
}

/**
 * Stops all changes of a view, or of some packages in it, until a time or a thaw. Replaces a freeze of the
 * same packages. Throws `not_found` for the view, `forbidden`, `refused` for `unstable`, for previews and if
 * {@link MAX_FREEZES} are in force, and `invalid_request` for an end in the past.
 */
export async function freeze(
  context: CommandContext,
  { view: name, ...input }: FreezeInput & { view: string },
): Promise<View> {
  const view = await getViewWithGates(context, name)
  const refusals = expectMayFreeze(view, context.caller, input.override)
  const { after, ended } = addFreeze(context, ownFreezes(view), input)
  await setFreezes(context.trx, view.id, after)
  if (ended !== undefined)
    await context.record({ kind: 'view-thawed', view: view.name, ...filterOf(ended) }, { viewId: view.id })
  await context.record(
    {
      kind: 'view-frozen',
      view: view.name,
      ...filterOf(input),
      reason: input.reason,
      until: input.until ?? null,
      ...recordedOverride(input.override, refusals),
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
  { view: name, override, ...only }: ThawInput & { view: string },
): Promise<View> {
  const view = await getView(context.trx, name)
  const refusals = expectMayFreeze(view, context.caller, override)
  const before = ownFreezes(view)
  const after = withoutFreeze(before, only)
  if (after.length === before.length) return view
  await setFreezes(context.trx, view.id, after)
  const recorded = recordedOverride(override, [...refusals, ...endedFreezes(before, after)])
  await context.record(
    { kind: 'view-thawed', view: view.name, ...filterOf(only), ...recorded },
    { viewId: view.id },
  )
  return getView(context.trx, view.name)
}

/** Like {@link freeze}, for every present and future view except `unstable` and previews. */
export async function freezeAll(context: CommandContext, input: FreezeInput): Promise<readonly Freeze[]> {
  const { after, ended } = addFreeze(context, await listCommonFreezes(context.trx), input)
  await setCommonFreezes(context.trx, after)
  const { reason, until = null } = input
  if (ended !== undefined) await context.record({ kind: 'views-thawed', ...filterOf(ended) }, {})
  await context.record({ kind: 'views-frozen', ...filterOf(input), reason, until }, {})
  return after
}

/**
 * Ends the freeze that {@link freezeAll} made for exactly these packages. Does nothing without such a freeze.
 * Freezes of single views are kept.
 */
export async function thawAll(
  context: CommandContext,
  { override, ...only }: ThawInput,
): Promise<readonly Freeze[]> {
  const before = await listCommonFreezes(context.trx)
  const after = withoutFreeze(before, only)
  if (after.length === before.length) return before
  await setCommonFreezes(context.trx, after)
  const recorded = recordedOverride(override, endedFreezes(before, after))
  await context.record({ kind: 'views-thawed', ...filterOf(only), ...recorded }, {})
  return after
}

/**
 * Adds a freeze to a list. If the list would have more than {@link MAX_FREEZES}, removes the freeze that
 * expired first, and returns it as `ended`. Throws `invalid_request` for an end in the past, and `refused` if
 * the list is full of freezes that are in force.
 */
function addFreeze(
  context: CommandContext,
  before: readonly Freeze[],
  { reason, until, ...only }: FreezeInput,
): { after: readonly Freeze[]; ended?: Freeze } {
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
  if (after.length <= MAX_FREEZES) return { after }
  const [ended] = after
    .filter((one) => !isInForce(one, context.clock.now))
    .toSorted((a, b) => (a.until ?? 0) - (b.until ?? 0))
  if (ended === undefined)
    throw new DepotError('refused', `there are already ${MAX_FREEZES} freezes: end some of them`)
  return { after: withoutFreeze(after, ended), ended }
}

/** Returns the freezes of a view without those of every view. */
function ownFreezes({ freezes }: View): Freeze[] {
  return freezes.filter(({ isOfAll }) => !isOfAll).map(({ isOfAll: _isOfAll, ...own }) => own)
}

function filterOf({ origin, name }: PackageFilter): PackageFilter {
  return { ...(origin !== undefined && { origin }), ...(name !== undefined && { name }) }
}

/** Describes the freezes that a thaw ends. */
function endedFreezes(before: readonly Freeze[], after: readonly Freeze[]): string[] {
  return before
    .filter((one) => !after.includes(one))
    .map(({ by, reason, until }) => {
      const end = until === undefined ? '' : ` until ${new Date(until).toISOString()}`
      return `frozen${end} by ${by}: ${reason}`
    })
}

/**
 * Checks that the caller is an administrator or a promoter that the view names. In a view without named
 * promoters, its overriders may freeze and thaw with an override; returns the refusals that they override. A
 * token narrowed to origins is not enough, because a freeze concerns every origin. Throws `forbidden`.
 */
export function expectMayFreeze(
  view: View,
  caller: Authority,
  override: Override | undefined,
): readonly string[] {
  const requester = requesterOf(caller)
  if (requester === undefined || requester.isAdministrator) return []
  const detail = `${requester.account} may not freeze or thaw ${view.name}: only administrators may, and the promoters that its gates name; if they name none, its overriders may with an override`
  if (requester.reaches !== 'all')
    throw new DepotError(
      'forbidden',
      `a token for some origins may not freeze or thaw ${view.name}, because a freeze concerns every origin`,
    )
  if (promotersAllow(requester, view.gates)) {
    if (view.gates.promoters !== undefined) return []
    if (override !== undefined && mayOverride(requester, view.gates)) return [detail]
  }
  throw new DepotError('forbidden', detail)
}
