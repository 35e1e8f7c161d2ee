import { DepotError } from '../errors.ts'
import { allowsAction, allowsOrigin, allowsView, hasRole } from './access.ts'
import type { Action, Role, Session } from './access.ts'

// The rights that changes need. Routes check them before they read a body. The writer checks them again in
// the transaction, with the rights at that moment, and its check decides. Each function throws `forbidden`
// and names the missing right.

/** Reports whether a check of rights passes: any of those below, or one that throws the same codes. */
export function passes(check: () => unknown): boolean {
  try {
    check()
    return true
  } catch (error) {
    if (error instanceof DepotError && (error.code === 'forbidden' || error.code === 'unauthenticated'))
      return false
    throw error
  }
}

/** Checks that the token allows an action. */
export function expectTokenAllows(caller: Session, action: Action): void {
  if (!allowsAction(caller, action)) throw new DepotError('forbidden', `this token may not ${action}`)
}

/**
 * Checks that the token allows an action and reaches an origin. Does not check the account's role in the
 * origin.
 */
export function expectTokenReachesOrigin(caller: Session, origin: string, action: Action): void {
  expectTokenAllows(caller, action)
  if (!allowsOrigin(caller, origin))
    throw new DepotError('forbidden', `this token does not reach the origin ${origin}`)
}

/**
 * Checks that the token allows an action in an origin, and that the account has at least the role `minimum`.
 */
export function expectRole(caller: Session, minimum: Role, origin: string, action: Action): void {
  expectTokenReachesOrigin(caller, origin, action)
  if (!hasRole(caller, origin, minimum))
    throw new DepotError(
      'forbidden',
      `${caller.accountName} is not ${withArticle(minimum)} of the origin ${origin}`,
    )
}

/** Checks that the token allows changes of a view. The view's gates decide the rest. */
export function expectTokenReachesView(caller: Session, view: string): void {
  expectTokenAllows(caller, 'promote')
  if (!allowsView(caller, view)) throw new DepotError('forbidden', `this token may not change ${view}`)
}

/** Checks the right to move releases of one origin in a view. */
export function expectPromoter(caller: Session, origin: string, view: string): void {
  expectRole(caller, 'maintainer', origin, 'promote')
  expectTokenReachesView(caller, view)
}

/** Checks the right to act on the whole depot. Tokens narrowed to origins or views are refused. */
export function expectAdministrator(caller: Session): void {
  expectTokenAllows(caller, 'manage')
  if (!caller.isAdministrator)
    throw new DepotError('forbidden', `${caller.accountName} is not an administrator of the depot`)
  if (isNarrowed(caller)) throw new DepotError('forbidden', 'this token does not reach the whole depot')
}

/** Checks the right to act on the caller's own account. Tokens narrowed to origins or views are refused. */
export function expectOwnAccount(caller: Session, accountId: number): void {
  expectTokenAllows(caller, 'manage')
  if (isNarrowed(caller))
    throw new DepotError('forbidden', 'a token narrowed to origins or views may not change its account')
  if (caller.accountId !== accountId)
    throw new DepotError('forbidden', `${caller.accountName} may not change another account`)
}

/** Checks the right to make and revoke tokens of the caller's own account. */
export function expectMayManageTokens(caller: Session, accountId: number): void {
  expectOwnAccount(caller, accountId)
  if (caller.scope.actions !== undefined)
    throw new DepotError('forbidden', 'a narrowed token may not make or revoke tokens')
}

/**
 * Checks the right to make, narrow and revoke the tokens of an account. Administrators have it for every
 * account, others for their own. A narrowed token must not make a wider one.
 */
export function expectMayManageTokensOf(caller: Session, account: string): void {
  if (account !== caller.accountName) expectAdministrator(caller)
  expectMayManageTokens(caller, caller.accountId)
}

/** Refuses every session. For commands that only the operator may submit. */
export function expectOperator(caller: Session): never {
  throw new DepotError('forbidden', `${caller.accountName} is not the operator of the depot`)
}

/** Reports whether a token reaches only some origins or views. */
export function isNarrowed({ scope }: Session): boolean {
  return scope.origins !== undefined || scope.views !== undefined
}

function withArticle(role: Role): string {
  return `${/^[aeiou]/.test(role) ? 'an' : 'a'} ${role}`
}
