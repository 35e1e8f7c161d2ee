import { allowsAction, audienceOf } from '../../../access/access.ts'
import type { Caller } from '../../../access/access.ts'
import type { Db } from '../../../database/database.ts'
import { filterVisiblePlans, listWaitingProposals } from '../../../revisions/plan-store.ts'
import type { StoredPlan } from '../../../revisions/stored-plan.ts'

/** Lists the proposals that wait and that the caller may see. As in the API, anonymous callers see none. */
export async function readWaitingProposals(db: Db, caller: Caller, now: number): Promise<StoredPlan[]> {
  if (caller === undefined || !allowsAction(caller, 'read')) return []
  return filterVisiblePlans(db, await listWaitingProposals(db, now), audienceOf(caller))
}
