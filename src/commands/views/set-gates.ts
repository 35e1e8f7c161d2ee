import { isDeepStrictEqual } from 'node:util'
import type { Authority } from '../../access/access.ts'
import { findAccount } from '../../accounts/account-store.ts'
import type { Db } from '../../database/database.ts'
import { DepotError, quote, refusalOf } from '../../errors.ts'
import type { ErrorPart } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { mayOverride, promotersAllow, recordedOverride, requesterOf } from '../../views/gates.ts'
import type { Override } from '../../views/gates.ts'
import { UNSTABLE } from '../../views/view.ts'
import type { Gates, View } from '../../views/view.ts'
import { findView, getView, updateGates } from '../../revisions/view-store.ts'

/**
 * Replaces the gates of a view, which are conditions on its changes. Throws `not_found` for the view,
 * `forbidden`, `refused` for `unstable` and previews, and `invalid_request` for absent accounts and views,
 * and for a cycle of requirements.
 */
export async function setGates(
  context: CommandContext,
  input: { view: string; gates: Gates; override?: Override },
): Promise<View> {
  const { trx } = context
  const { gates, override } = input
  const view = await getViewWithGates(context, input.view)
  const refusals = expectMaySetGates(context.caller, view, input)
  const faults = await listGateFaults(trx, view.name, gates, (name) => findView(trx, name))
  if (faults.length > 0) throw refusalOf('invalid_request', faults)
  await updateGates(trx, view.id, gates)
  await context.record(
    { kind: 'gates-set', view: view.name, gates, ...recordedOverride(override, refusals) },
    { viewId: view.id },
  )
  return getView(trx, view.name)
}

/**
 * Checks that the caller is an administrator, or overrides the gates and leaves alone who may change, approve
 * and override. Returns the refusals that are overridden. Throws `forbidden`.
 */
function expectMaySetGates(
  caller: Authority,
  view: View,
  { gates, override }: { gates: Gates; override?: Override },
): readonly string[] {
  const requester = requesterOf(caller)
  if (requester === undefined || requester.isAdministrator) return []
  const detail = `${requester.account} is not an administrator of the depot`
  const mayOverrideAll =
    override !== undefined &&
    requester.reaches === 'all' &&
    promotersAllow(requester, view.gates) &&
    mayOverride(requester, view.gates)
  if (!mayOverrideAll) throw new DepotError('forbidden', detail)
  if (!isDeepStrictEqual(accountsIn(gates), accountsIn(view.gates)))
    throw new DepotError(
      'forbidden',
      `${detail}, and so may not change who may change ${view.name}, approve changes or override its gates`,
    )
  return [detail]
}

function accountsIn({ promoters, approval, overriders }: Gates): unknown {
  return [promoters, approval?.approvers, overriders]
}

/** Returns a view that may have gates. Throws `not_found`, and `refused` for `unstable` and previews. */
export async function getViewWithGates(context: CommandContext, name: string): Promise<View> {
  const view = await getView(context.trx, name)
  if (view.name === UNSTABLE)
    throw new DepotError('refused', `${UNSTABLE} has no rules: every upload joins it`)
  if (view.preview !== undefined)
    throw new DepotError('refused', `${view.name} is a preview, and has no rules of its own`)
  return view
}

/** The parts of a view that requirements of others depend on. */
type RequiredView = Pick<View, 'name' | 'gates' | 'closedAt'>
type FindView = (name: string) => Promise<RequiredView | undefined>

/**
 * Returns why a view cannot have these gates: absent accounts and views, and a cycle of requirements. `find`
 * gives the other views as they will be.
 */
export async function listGateFaults(
  db: Db,
  view: string,
  gates: Gates,
  find: FindView,
): Promise<ErrorPart[]> {
  const faults: ErrorPart[] = []
  for (const [field, accounts] of [
    ['/promoters', gates.promoters],
    ['/approval/approvers', gates.approval?.approvers],
    ['/overriders', gates.overriders],
  ] as const) {
    for (const [index, name] of (accounts ?? []).entries()) {
      if ((await findAccount(db, name)) === undefined)
        faults.push({ detail: `there is no account ${quote(name)}`, pointer: `${field}/${index}` })
    }
  }
  for (const [index, { view: other }] of (gates.requires ?? []).entries()) {
    const found = await find(other)
    const pointer = `/requires/${index}/view`
    if (found === undefined || found.closedAt !== undefined)
      faults.push({ detail: `there is no view ${quote(other)}`, pointer })
    else if (await requires(found, view, find))
      faults.push({ detail: `${found.name} requires ${view}: nothing could be promoted any more`, pointer })
  }
  return faults
}

/** Reports whether a view is the view `other`, or requires it directly or indirectly. */
async function requires(one: RequiredView, other: string, find: FindView): Promise<boolean> {
  const seen = new Set<string>()
  const queue = [one]
  for (let view = queue.shift(); view !== undefined; view = queue.shift()) {
    if (view.name === other) return true
    if (seen.has(view.name)) continue
    seen.add(view.name)
    for (const { view: name } of view.gates.requires ?? []) {
      const next = await find(name)
      if (next !== undefined) queue.push(next)
    }
  }
  return false
}
