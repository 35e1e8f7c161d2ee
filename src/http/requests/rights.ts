import type { FastifyRequest } from 'fastify'
import type { Action, Role, Session } from '../../access/access.ts'
import {
  expectAction,
  expectAdministrator,
  expectPromoter,
  expectReach,
  expectRole,
  expectView,
} from '../../access/rights.ts'
import type { Depot } from '../../depot/open.ts'
import { DepotError } from '../../errors.ts'
import { expectMayTouch } from '../../views/gates.ts'
import type { View } from '../../views/view.ts'
import { getView } from '../../revisions/view-store.ts'

// What routes ask before they read a body or look anything up. The writer asks again when it commits, and its answer counts.

/** Throws `unauthenticated` when nobody is signed in, and `forbidden` when a narrowed token does not reach so far. */
export function signedIn(request: FastifyRequest, action: Action): Session {
  const { caller } = request
  if (caller === undefined) throw new DepotError('unauthenticated', 'this needs a token')
  expectAction(caller, action)
  return caller
}

/** Throws `unauthenticated`, or `forbidden` for whose role in the origin is less. */
export function signedInAs(request: FastifyRequest, least: Role, origin: string, action: Action): Session {
  const caller = signedIn(request, action)
  expectRole(caller, least, origin, action)
  return caller
}

/** As {@link signedIn}, for what a person does about an origin whatever their role there, or without one. */
export function signedInFor(request: FastifyRequest, origin: string, action: Action): Session {
  const caller = signedIn(request, action)
  expectReach(caller, origin, action)
  return caller
}

/** As {@link signedInAs} for changes to views, which a token may also be narrowed to. */
export function mayPromote(request: FastifyRequest, origin: string, view: string): Session {
  const caller = signedIn(request, 'promote')
  expectPromoter(caller, origin, view)
  return caller
}

/** As {@link mayPromote} for a set, in a view whose rules may name who changes it, whatever their roles. Throws `unauthenticated` and `forbidden`. */
export function mayChange(request: FastifyRequest, view: View, origins: Iterable<string>): Session {
  const caller = signedIn(request, 'promote')
  if (view.gates.promoters === undefined)
    for (const origin of origins) expectPromoter(caller, origin, view.name)
  expectMayTouch(caller, view)
  return caller
}

/** As {@link mayChange}, for who decides what another one proposed; the rules of the view say who may. Throws `unauthenticated` and `forbidden`. */
export function mayDecide(request: FastifyRequest, view: View): Session {
  const caller = signedIn(request, 'promote')
  expectView(caller, view.name)
  return caller
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

/** A hook for routes that are about the whole depot. */
export async function administratorOnly(request: FastifyRequest): Promise<void> {
  expectAdministrator(signedIn(request, 'manage'))
}
