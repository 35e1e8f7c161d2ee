import { allowsAction, audienceOf } from '../../../access/access.ts'
import type { Caller } from '../../../access/access.ts'
import { passes } from '../../../access/rights.ts'
import type { Db } from '../../../database/database.ts'
import { originOf } from '../../../package/ident.ts'
import { filterVisiblePlans, listWaitingProposals } from '../../../revisions/plan-store.ts'
import type { StoredPlan } from '../../../revisions/stored-plan.ts'
import { mayReject, requesterOf } from '../../../views/gates.ts'
import type { View } from '../../../views/view.ts'
import { expectMayDecideProposal } from '../../requests/rights.ts'

/** Lists the proposals that wait and that the caller may see. As in the API, anonymous callers see none. */
export async function readWaitingProposals(db: Db, caller: Caller, now: number): Promise<StoredPlan[]> {
  if (caller === undefined || !allowsAction(caller, 'read')) return []
  return filterVisiblePlans(db, await listWaitingProposals(db, now), audienceOf(caller))
}

/** Returns the origins whose releases a plan changes. */
export function originsIn({ effect }: StoredPlan): string[] {
  return [...new Set(effect.releases.map(({ ident }) => originOf(ident)))]
}

/** Reports whether a person may approve or reject a proposal that somebody else made. */
export function mayDecide({ caller }: { caller: Caller }, proposal: StoredPlan, view: View): boolean {
  return (
    caller !== undefined &&
    caller.accountName !== proposal.account &&
    passes(() => expectMayDecideProposal({ caller }, view)) &&
    mayReject(requesterOf(caller), view.gates, originsIn(proposal))
  )
}
