import { isDeepStrictEqual } from 'node:util'
import type { Authority } from '../../access/access.ts'
import { DepotError, refusalOf } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { mayOverride, promotersAllow, recordedOverride, requesterOf } from '../../views/gates.ts'
import type { Override } from '../../views/gates.ts'
import { expectAsRead } from '../../views/settings-digest.ts'
import { UNSTABLE } from '../../views/view.ts'
import type { Gates, View } from '../../views/view.ts'
import { getView, listViews, updateGates } from '../../revisions/view-store.ts'
import { listGateFaults, openViews } from './gate-faults.ts'

/**
 * Replaces the gates of a view, which are conditions on its changes. Records nothing if they are the same.
 * `read` is the digest of the gates that the submitter has read. Throws `not_found` for the view,
 * `forbidden`, `refused` for `unstable` and previews, `stale_settings` if the gates have changed since they
 * were read, and `invalid_request` for absent accounts and views, and for a cycle of requirements.
 */
export async function setGates(
  context: CommandContext,
  input: { view: string; gates: Gates; read?: string; override?: Override },
): Promise<View> {
  const { trx } = context
  const { gates, read, override } = input
  const view = await getViewWithGates(context, input.view)
  const refusals = expectMaySetGates(context.caller, view, input)
  expectAsRead(view.gates, { read, wanted: gates, what: `the rules of ${view.name}` })
  const faults = await listGateFaults(trx, view.name, gates, openViews(await listViews(trx)))
  if (faults.length > 0) throw refusalOf('invalid_request', faults)
  if (isDeepStrictEqual(gates, view.gates)) return view
  await updateGates(trx, view.id, gates)
  await context.record(
    { kind: 'gates-set', view: view.name, gates, ...recordedOverride(override, refusals) },
    { viewId: view.id },
  )
  return getView(trx, view.name)
}

/**
 * Checks that the caller is an administrator, or overrides the gates and does not change which accounts are
 * promoters, approvers and overriders. Returns the refusals that are overridden. Throws `forbidden`.
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
