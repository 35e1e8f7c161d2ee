import type { FastifyRequest } from 'fastify'
import { allowsAction, allowsOrigin, allowsView, hasRole } from '../accounts/access.ts'
import type { Action, Role, Session } from '../accounts/access.ts'
import type { Depot } from '../depot.ts'
import { DepotError } from '../errors.ts'
import { mayTouch } from '../views/gates.ts'
import type { Asker } from '../views/gates.ts'
import type { View } from '../views/view.ts'
import { getView } from '../views/view-store.ts'

/** Throws `unauthenticated` when nobody is signed in, and `forbidden` when a narrowed token does not reach so far. */
export function signedIn(request: FastifyRequest, action: Action): Session {
  const { caller } = request
  if (caller === undefined) throw new DepotError('unauthenticated', 'this needs a token')
  if (!allowsAction(caller, action)) throw new DepotError('forbidden', `this token may not ${action}`)
  return caller
}

/** Throws `unauthenticated`, or `forbidden` for whose role in the origin is less. */
export function signedInAs(request: FastifyRequest, least: Role, origin: string, action: Action): Session {
  const caller = signedIn(request, action)
  if (!hasRole(caller, origin, least)) throw new DepotError('forbidden', `${caller.accountName} is not a ${least} of the origin ${origin}`)
  return caller
}

/** As {@link signedIn}, for what a person does about an origin whatever their role there, or without one. */
export function signedInFor(request: FastifyRequest, origin: string, action: Action): Session {
  const caller = signedIn(request, action)
  if (!allowsOrigin(caller, origin)) throw new DepotError('forbidden', `this token does not reach the origin ${origin}`)
  return caller
}

/** As {@link signedInAs} for changes to views, which a token may also be narrowed to. */
export function mayPromote(request: FastifyRequest, origin: string, view: string): Session {
  const caller = signedInAs(request, 'maintainer', origin, 'promote')
  if (!allowsView(caller, view)) throw new DepotError('forbidden', `this token may not change ${view}`)
  return caller
}

/** As {@link mayPromote} for a set, in a view whose rules may name who changes it, whatever their roles. Throws `unauthenticated` and `forbidden`. */
export function mayChange(request: FastifyRequest, view: View, origins: Iterable<string>): { caller: Session; asker: Asker } {
  const caller = signedIn(request, 'promote')
  const asker = askerOf(caller)
  if (!allowsView(caller, view.name)) throw new DepotError('forbidden', `this token may not change ${view.name}`)
  if (!mayTouch(asker, view.gates)) throw new DepotError('forbidden', `${asker.account} is not among those who may change ${view.name}`)
  if (view.gates.promoters === undefined) {
    for (const origin of origins) mayPromote(request, origin, view.name)
    // Nothing is worked out for who could change nothing at all.
    if (asker.maintains.length === 0) throw new DepotError('forbidden', `${asker.account} is not a maintainer of any origin`)
  }
  return { caller, asker }
}

/** As {@link mayChange}, for who decides what another one proposed; the rules of the view say who may. Throws `unauthenticated` and `forbidden`. */
export function mayDecide(request: FastifyRequest, view: View): Asker {
  const caller = signedIn(request, 'promote')
  if (!allowsView(caller, view.name)) throw new DepotError('forbidden', `this token may not change ${view.name}`)
  return askerOf(caller)
}

/** What the rules of views ask about a caller. */
export function askerOf(caller: Session): Asker {
  const { accountName: account, scope } = caller
  const isAdministrator = caller.isAdministrator && scope.origins === undefined
  const maintains = [...new Set([...caller.roles.keys(), ...(scope.origins ?? [])])].filter((origin) => hasRole(caller, origin, 'maintainer'))
  return { account, isAdministrator, maintains: isAdministrator ? 'all' : maintains, reaches: scope.origins ?? 'all' }
}

/** A hook for routes: refuses who may not even begin, before a body is read. */
export function needs(action: Action): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    signedIn(request, action)
  }
}

/**
 * Route hook for changes of the view that the URL names: rejects callers who may not change it before the body is read. Throws
 * `not_found`, and as {@link mayChange}.
 */
export function mayChangeView({ db }: Depot): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    signedIn(request, 'promote')
    const { view } = request.params as { view: string }
    mayChange(request, await getView(db, view), [])
  }
}

/** A hook for routes that are about the whole depot. A token narrowed to origins or views does not speak for all of it. */
export async function administratorOnly(request: FastifyRequest): Promise<void> {
  const { accountName, isAdministrator, scope } = signedIn(request, 'manage')
  if (!isAdministrator) throw new DepotError('forbidden', `${accountName} is not an administrator of the depot`)
  if (scope.origins !== undefined || scope.views !== undefined) throw new DepotError('forbidden', 'this token does not reach the whole depot')
}
