import { DepotError } from '../errors.ts'
import { allowsAction, allowsOrigin, allowsView, hasRole } from './access.ts'
import type { Action, Role, Session } from './access.ts'

// The rights that changes need. Routes ask them early, before a body is read; the writer asks them again in the transaction of the
// change, with the session of that moment, and that answer counts. Each function throws `forbidden`, and names what is missing.

export function expectAction(caller: Session, action: Action): void {
  if (!allowsAction(caller, action)) throw new DepotError('forbidden', `this token may not ${action}`)
}

/** For what a person does about an origin whatever their role there, or without one. */
export function expectReach(caller: Session, origin: string, action: Action): void {
  expectAction(caller, action)
  if (!allowsOrigin(caller, origin))
    throw new DepotError('forbidden', `this token does not reach the origin ${origin}`)
}

export function expectRole(caller: Session, least: Role, origin: string, action: Action): void {
  expectReach(caller, origin, action)
  if (!hasRole(caller, origin, least))
    throw new DepotError(
      'forbidden',
      `${caller.accountName} is not ${withArticle(least)} of the origin ${origin}`,
    )
}

/** For changes of a view whose rules decide the rest. */
export function expectView(caller: Session, view: string): void {
  expectAction(caller, 'promote')
  if (!allowsView(caller, view)) throw new DepotError('forbidden', `this token may not change ${view}`)
}

/** For changes of a view that move releases of one origin. */
export function expectPromoter(caller: Session, origin: string, view: string): void {
  expectRole(caller, 'maintainer', origin, 'promote')
  expectView(caller, view)
}

/** For what is about the whole depot. A token narrowed to origins or views does not speak for all of it. */
export function expectAdministrator(caller: Session): void {
  expectAction(caller, 'manage')
  if (!caller.isAdministrator)
    throw new DepotError('forbidden', `${caller.accountName} is not an administrator of the depot`)
  if (isNarrowed(caller)) throw new DepotError('forbidden', 'this token does not reach the whole depot')
}

/** For what is about the caller's own account, which lies in no origin. */
export function expectOwnAccount(caller: Session, accountId: number): void {
  expectAction(caller, 'manage')
  if (isNarrowed(caller))
    throw new DepotError('forbidden', 'a token narrowed to origins or views does not change its account')
  if (caller.accountId !== accountId)
    throw new DepotError('forbidden', `${caller.accountName} changes no other account`)
}

/** For making and revoking tokens: a narrowed token must not make a wider one. */
export function expectWholeAccount(caller: Session, accountId: number): void {
  expectOwnAccount(caller, accountId)
  if (caller.scope.actions !== undefined)
    throw new DepotError('forbidden', 'a narrowed token neither makes nor revokes others')
}

/** For what no caller over HTTP may do. */
export function expectOperator(caller: Session): never {
  throw new DepotError('forbidden', `${caller.accountName} is not the operator of the depot`)
}

function isNarrowed({ scope }: Session): boolean {
  return scope.origins !== undefined || scope.views !== undefined
}

function withArticle(role: Role): string {
  return `${/^[aeiou]/.test(role) ? 'an' : 'a'} ${role}`
}
