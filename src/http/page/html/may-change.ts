import type { Caller } from '../../../access/access.ts'
import { expectAdministrator, passes } from '../../../access/rights.ts'
import type { View } from '../../../views/view.ts'
import { expectMayChange } from '../../requests/rights.ts'
import type { Visit } from './visit.ts'

/** Reports whether the caller may change anything in a view, as far as rights go. */
export function mayChange(visit: Visit, view: View): boolean {
  return isChangeable(view) && passes(() => expectMayChange(visit, view, []))
}

/** Reports whether the caller may change releases of an origin in a view, as far as rights go. */
export function mayChangeIn(visit: Visit, view: View, origin: string): boolean {
  return isChangeable(view) && passes(() => expectMayChange(visit, view, [origin]))
}

/** Reports whether a session may act on the whole depot. */
export function mayAdministrate(caller: Caller): boolean {
  return caller !== undefined && passes(() => expectAdministrator(caller))
}

/** People do not promote into previews and closed views. */
function isChangeable({ preview, closedAt }: View): boolean {
  return preview === undefined && closedAt === undefined
}
