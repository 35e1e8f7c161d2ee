import type { Authority } from '../accounts/access.ts'
import { findAccount } from '../accounts/account-store.ts'
import { DepotError, quote, refusalOf } from '../errors.ts'
import type { ErrorPart } from '../errors.ts'
import type { Change } from '../writer/change.ts'
import { askerOf, mayTouch } from './gates.ts'
import { UNSTABLE } from './view.ts'
import type { Gates, View } from './view.ts'
import { findView, getView, setFreeze, setGates } from './view-store.ts'

/**
 * Sets a view's rules, all of them at once. Throws `not_found` for the view, `refused` for `unstable` and previews, and
 * `invalid_request` for accounts and views that are not there, and for a view that would, in the end, require itself.
 */
export async function govern(change: Change, input: { view: string; gates: Gates }): Promise<View> {
  const { trx } = change
  const { gates } = input
  const view = await viewToGovern(change, input.view)
  const wrong: ErrorPart[] = []
  for (const [field, accounts] of [['/promoters', gates.promoters], ['/approval/approvers', gates.approval?.approvers], ['/overriders', gates.overriders]] as const) {
    for (const [index, name] of (accounts ?? []).entries()) {
      if ((await findAccount(trx, name)) === undefined) wrong.push({ detail: `there is no account ${quote(name)}`, pointer: `${field}/${index}` })
    }
  }
  for (const [index, { view: other }] of (gates.requires ?? []).entries()) {
    const found = await findView(trx, other)
    const pointer = `/requires/${index}/view`
    if (found === undefined || found.closedAt !== undefined) wrong.push({ detail: `there is no view ${quote(other)}`, pointer })
    else if (await leadsTo(change, found, view)) wrong.push({ detail: `${found.name} requires ${view.name}: nothing could be promoted any more`, pointer })
  }
  if (wrong.length > 0) throw refusalOf('invalid_request', wrong)
  await setGates(trx, view.id, gates)
  await change.record({ kind: 'gates-set', view: view.name, gates }, { viewId: view.id })
  return getView(trx, view.name)
}

/** Stops every change of a view, until a time or until it is thawed. Throws `not_found`, `refused` and `forbidden`. */
export async function freeze(change: Change, input: { view: string; reason: string; until?: number }): Promise<View> {
  const view = await viewToGovern(change, input.view)
  expectMayStop(view, change.caller)
  const { reason, until } = input
  const by = change.caller === 'operator' ? 'the operator' : change.caller.accountName
  if (until !== undefined && until <= change.clock.now) throw refusalOf('invalid_request', [{ detail: 'until is in the past', pointer: '/until' }])
  await setFreeze(change.trx, view.id, { reason, by, since: change.at, ...(until !== undefined && { until }) })
  await change.record({ kind: 'view-frozen', view: view.name, reason, until: until ?? null }, { viewId: view.id })
  return getView(change.trx, view.name)
}

/** Lets a view change again; does nothing where it may. Throws `not_found` and `forbidden`. */
export async function thaw(change: Change, input: { view: string }): Promise<View> {
  const view = await getView(change.trx, input.view)
  expectMayStop(view, change.caller)
  if (view.freeze === undefined) return view
  await setFreeze(change.trx, view.id, undefined)
  await change.record({ kind: 'view-thawed', view: view.name }, { viewId: view.id })
  return getView(change.trx, view.name)
}

/** Who was named as one who may change the view may stop it, too. */
function expectMayStop(view: View, caller: Authority): void {
  const asker = askerOf(caller)
  if (asker === undefined || asker.isAdministrator || (view.gates.promoters !== undefined && mayTouch(asker, view.gates))) return
  throw new DepotError('forbidden', `${asker.account} may not freeze or thaw ${view.name}`)
}

async function viewToGovern(change: Change, name: string): Promise<View> {
  const view = await getView(change.trx, name)
  if (view.name === UNSTABLE) throw new DepotError('refused', `${UNSTABLE} has no rules: every upload joins it`)
  if (view.preview !== undefined) throw new DepotError('refused', `${view.name} is a preview, and has no rules of its own`)
  return view
}

/** Whether a view, or one that it requires, requires another. */
async function leadsTo(change: Change, from: View, to: View): Promise<boolean> {
  const seen = new Set<string>()
  const waiting = [from]
  for (let view = waiting.shift(); view !== undefined; view = waiting.shift()) {
    if (view.id === to.id) return true
    if (seen.has(view.name)) continue
    seen.add(view.name)
    for (const { view: name } of view.gates.requires ?? []) {
      const next = await findView(change.trx, name)
      if (next !== undefined) waiting.push(next)
    }
  }
  return false
}
