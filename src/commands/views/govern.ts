import type { Authority } from '../../access/access.ts'
import { findAccount } from '../../accounts/account-store.ts'
import { DepotError, quote, refusalOf } from '../../errors.ts'
import type { ErrorPart } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import type { Only } from '../../views/change-request.ts'
import { MAX_FREEZES, withFreeze, withoutFreeze } from '../../views/freeze.ts'
import type { Freeze } from '../../views/freeze.ts'
import { listCommonFreezes, setCommonFreezes, setFreezes } from '../../revisions/freeze-store.ts'
import { requesterOf, promotersAllow } from '../../views/gates.ts'
import { UNSTABLE } from '../../views/view.ts'
import type { Gates, View } from '../../views/view.ts'
import { findView, getView, setGates } from '../../revisions/view-store.ts'

/**
 * Replaces all rules of a view. Throws `not_found` for the view, `refused` for `unstable` and previews, and `invalid_request` for absent
 * accounts and views, and for a cycle of requirements.
 */
export async function govern(context: CommandContext, input: { view: string; gates: Gates }): Promise<View> {
  const { trx } = context
  const { gates } = input
  const view = await viewToGovern(context, input.view)
  const wrong: ErrorPart[] = []
  for (const [field, accounts] of [
    ['/promoters', gates.promoters],
    ['/approval/approvers', gates.approval?.approvers],
    ['/overriders', gates.overriders],
  ] as const) {
    for (const [index, name] of (accounts ?? []).entries()) {
      if ((await findAccount(trx, name)) === undefined)
        wrong.push({ detail: `there is no account ${quote(name)}`, pointer: `${field}/${index}` })
    }
  }
  for (const [index, { view: other }] of (gates.requires ?? []).entries()) {
    const found = await findView(trx, other)
    const pointer = `/requires/${index}/view`
    if (found === undefined || found.closedAt !== undefined)
      wrong.push({ detail: `there is no view ${quote(other)}`, pointer })
    else if (await leadsTo(context, found, view))
      wrong.push({
        detail: `${found.name} requires ${view.name}: nothing could be promoted any more`,
        pointer,
      })
  }
  if (wrong.length > 0) throw refusalOf('invalid_request', wrong)
  await setGates(trx, view.id, gates)
  await context.record({ kind: 'gates-set', view: view.name, gates }, { viewId: view.id })
  return getView(trx, view.name)
}

/** The packages to freeze, the reason, and the end in epoch milliseconds. */
interface FreezeInput extends Only {
  readonly reason: string
  readonly until?: number
}

/**
 * Stops all changes of a view, or of some packages in it, until a time or a thaw. Replaces a freeze of the same packages.
 * Throws `not_found`, `refused`, `invalid_request` and `forbidden`.
 */
export async function freeze(
  context: CommandContext,
  { view: name, ...input }: FreezeInput & { view: string },
): Promise<View> {
  const view = await viewToGovern(context, name)
  expectMayStop(view, context.caller)
  await setFreezes(context.trx, view.id, frozen(context, ownFreezes(view), input))
  await context.record(
    {
      kind: 'view-frozen',
      view: view.name,
      ...onlyOf(input),
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
  { view: name, ...only }: Only & { view: string },
): Promise<View> {
  const view = await getView(context.trx, name)
  expectMayStop(view, context.caller)
  const before = ownFreezes(view)
  const after = withoutFreeze(before, only)
  if (after.length === before.length) return view
  await setFreezes(context.trx, view.id, after)
  await context.record({ kind: 'view-thawed', view: view.name, ...onlyOf(only) }, { viewId: view.id })
  return getView(context.trx, view.name)
}

/** Like {@link freeze}, for every present and future view except `unstable`. */
export async function freezeAll(context: CommandContext, input: FreezeInput): Promise<readonly Freeze[]> {
  const freezes = frozen(context, await listCommonFreezes(context.trx), input)
  await setCommonFreezes(context.trx, freezes)
  await context.record(
    { kind: 'views-frozen', ...onlyOf(input), reason: input.reason, until: input.until ?? null },
    {},
  )
  return freezes
}

/** Ends a freeze of every view. Freezes of single views are kept. */
export async function thawAll(context: CommandContext, only: Only): Promise<readonly Freeze[]> {
  const before = await listCommonFreezes(context.trx)
  const after = withoutFreeze(before, only)
  if (after.length === before.length) return before
  await setCommonFreezes(context.trx, after)
  await context.record({ kind: 'views-thawed', ...onlyOf(only) }, {})
  return after
}

function frozen(
  context: CommandContext,
  before: readonly Freeze[],
  { reason, until, ...only }: FreezeInput,
): Freeze[] {
  if (until !== undefined && until <= context.clock.now)
    throw refusalOf('invalid_request', [{ detail: 'until is in the past', pointer: '/until' }])
  const by = context.caller === 'operator' ? 'the operator' : context.caller.accountName
  const after = withFreeze(before, {
    ...onlyOf(only),
    reason,
    by,
    since: context.at,
    ...(until !== undefined && { until }),
  })
  if (after.length > MAX_FREEZES)
    throw new DepotError('refused', `there are already ${MAX_FREEZES} freezes: end some of them`)
  return after
}

function ownFreezes({ freezes }: View): Freeze[] {
  return freezes.filter(({ isOfAll }) => !isOfAll).map(({ isOfAll: _isOfAll, ...own }) => own)
}

function onlyOf({ origin, name }: Only): Only {
  return { ...(origin !== undefined && { origin }), ...(name !== undefined && { name }) }
}

/**
 * Throws `forbidden` unless the caller is an administrator or a promoter that the view names. A token narrowed to
 * origins is not enough, because a freeze concerns every origin.
 */
function expectMayStop(view: View, caller: Authority): void {
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

async function viewToGovern(context: CommandContext, name: string): Promise<View> {
  const view = await getView(context.trx, name)
  if (view.name === UNSTABLE)
    throw new DepotError('refused', `${UNSTABLE} has no rules: every upload joins it`)
  if (view.preview !== undefined)
    throw new DepotError('refused', `${view.name} is a preview, and has no rules of its own`)
  return view
}

/** Reports whether `from` is `to`, or requires it directly or indirectly. */
async function leadsTo(context: CommandContext, from: View, to: View): Promise<boolean> {
  const seen = new Set<string>()
  const waiting = [from]
  for (let view = waiting.shift(); view !== undefined; view = waiting.shift()) {
    if (view.id === to.id) return true
    if (seen.has(view.name)) continue
    seen.add(view.name)
    for (const { view: name } of view.gates.requires ?? []) {
      const next = await findView(context.trx, name)
      if (next !== undefined) waiting.push(next)
    }
  }
  return false
}
