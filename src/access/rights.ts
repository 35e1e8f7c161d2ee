import { DepotError } from '../errors.ts'
import { allowsAction, allowsOrigin, allowsView, hasRole } from './access.ts'
import type { Action, Role, Session } from './access.ts'

// The rights that changes need. Routes check them before they read a body. The writer checks them again in the transaction, with
// the rights at that moment, and its check decides. Each function throws `forbidden` and names the missing right.

export function expectAction(caller: Session, action: Action): void {
  if (!allowsAction(caller, action)) throw new DepotError('forbidden', `this token may not ${action}`)
}

/** Checks the right to an action about an origin that needs no role in it. */
export function expectReach(caller: Session, origin: string, action: Action): void {
  expectAction(caller, action)
  if (!allowsOrigin(caller, origin))
    throw new DepotError('forbidden', `this token does not reach the origin ${origin}`)
}

export function expectRole(caller: Session, minimum: Role, origin: string, action: Action): void {
  expectReach(caller, origin, action)
  if (!hasRole(caller, origin, minimum))
    throw new DepotError(
      'forbidden',
      `${caller.accountName} is not ${withArticle(minimum)} of the origin ${origin}`,
    )
}

/** Checks the right to change a view. The view's rules decide the rest. */
export function expectView(caller: Session, view: string): void {
  expectAction(caller, 'promote')
  if (!allowsView(caller, view)) throw new DepotError('forbidden', `this token may not change ${view}`)
}

/** Checks the right to change a view by moving releases of one origin. */
export function expectPromoter(caller: Session, origin: string, view: string): void {
  expectRole(caller, 'maintainer', origin, 'promote')
  expectView(caller, view)
}

/** Checks the right to act on the whole depot. Tokens narrowed to origins or views are refused. */
export function expectAdministrator(caller: Session): void {
  expectAction(caller, 'manage')
  if (!caller.isAdministrator)
    throw new DepotError('forbidden', `${caller.accountName} is not an administrator of the depot`)
  if (isNarrowed(caller)) throw new DepotError('forbidden', 'this token does not reach the whole depot')
}

/** Checks the right to act on the caller's own account. Tokens narrowed to origins or views are refused. */
export function expectOwnAccount(caller: Session, accountId: number): void {
  expectAction(caller, 'manage')
  if (isNarrowed(caller))
    throw new DepotError('forbidden', 'a token narrowed to origins or views may not change its account')
  if (caller.accountId !== accountId)
    throw new DepotError('forbidden', `${caller.accountName} may not change another account`)
}

/** Checks the right to make and revoke tokens: a narrowed token must not make a wider one. */
export function expectWholeAccount(caller: Session, accountId: number): void {
  expectOwnAccount(caller, accountId)
  if (caller.scope.actions !== undefined)
    throw new DepotError('forbidden', 'a narrowed token may not make or revoke tokens')
}

/** Refuses every HTTP caller, for commands that only the operator may submit. */
export function expectOperator(caller: Session): never {
  throw new DepotError('forbidden', `${caller.accountName} is not the operator of the depot`)
}

function isNarrowed({ scope }: Session): boolean {
  return scope.origins !== undefined || scope.views !== undefined
}

function withArticle(role: Role): string {
  return `${/^[aeiou]/.test(role) ? 'an' : 'a'} ${role}`
}
