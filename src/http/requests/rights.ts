import type { FastifyRequest } from 'fastify'
import { allowsAction } from '../../access/access.ts'
import type { Action, Role, Session } from '../../access/access.ts'
import {
  expectTokenAllows,
  expectAdministrator,
  expectPromoter,
  expectTokenReachesOrigin,
  expectRole,
  expectTokenReachesView,
} from '../../access/rights.ts'
import type { Depot } from '../../depot/depot.ts'
import { DepotError } from '../../errors.ts'
import { expectMayChangeView, namesCaller, requesterOf } from '../../views/gates.ts'
import type { View } from '../../views/view.ts'
import { getView } from '../../revisions/view-store.ts'

// Access checks of routes, made before a body is read. The writer checks again when it commits, and that
// check decides.

/** A request, or what a page knows of one. */
type Asking = Pick<FastifyRequest, 'caller'>

/**
 * Returns the caller. Throws `unauthenticated` without a token, and `forbidden` if a narrowed token excludes
 * the action.
 */
export function signedIn(request: Asking, action: Action): Session {
  const caller = signedInAnyhow(request)
  expectTokenAllows(caller, action)
  return caller
}

/** Returns the caller, whatever its token allows. Throws `unauthenticated` without a token. */
export function signedInAnyhow({ caller }: Asking): Session {
  if (caller === undefined) throw new DepotError('unauthenticated', 'this request needs a token')
  return caller
}

/**
 * Returns the caller. Throws `unauthenticated` without a token, and `forbidden` if the role of the caller in
 * the origin is too low or a narrowed token excludes the action or the origin.
 */
export function signedInAs(request: Asking, minimum: Role, origin: string, action: Action): Session {
  const caller = signedIn(request, action)
  expectRole(caller, minimum, origin, action)
  return caller
}

/** Returns the caller, who may create origins. Throws `unauthenticated` and `forbidden`. */
export function expectMayCreateOrigins(
  request: FastifyRequest,
  { originCreators }: Depot['config'],
): Session {
  const caller = signedIn(request, 'manage')
  if (!caller.isAdministrator && originCreators?.includes(caller.accountName) === false)
    throw new DepotError('forbidden', `${caller.accountName} may not create origins`)
  return caller
}

/**
 * Returns the caller, for actions on an origin that need no role in it. Throws `unauthenticated` without a
 * token, and `forbidden` if a narrowed token excludes the action or the origin.
 */
export function signedInFor(request: FastifyRequest, origin: string, action: Action): Session {
  const caller = signedIn(request, action)
  expectTokenReachesOrigin(caller, origin, action)
  return caller
}

/** Like {@link signedInAs}, for changes to views. A token may be narrowed to some views. */
export function expectMayPromote(request: FastifyRequest, origin: string, view: string): Session {
  const caller = signedIn(request, 'promote')
  expectPromoter(caller, origin, view)
  return caller
}

/**
 * Like {@link expectMayPromote}, for several origins at once. If a gate of the view names promoters, they may
 * change it regardless of their roles, and nobody but them and administrators may. Throws `unauthenticated`
 * and `forbidden`.
 */
export function expectMayChange(request: Asking, view: View, origins: Iterable<string>): Session {
  const caller = signedIn(request, 'promote')
  if (view.gates.promoters === undefined)
    for (const origin of origins) expectPromoter(caller, origin, view.name)
  expectMayChangeView(caller, view)
  return caller
}

/**
 * Like {@link expectMayChange}, for decisions about someone else's proposal. Checks only the token: the
 * writer checks whether the gates of the view let the caller approve. Throws `unauthenticated` and
 * `forbidden`.
 */
export function expectMayDecideProposal(request: Asking, view: View): Session {
  const caller = signedIn(request, 'promote')
  expectTokenReachesView(caller, view.name)
  return caller
}

/** Route hook that rejects unauthorized callers before the body is read. */
export function needs(action: Action): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    signedIn(request, action)
  }
}

/**
 * Route hook for changes of the view in the URL. Before the body is read, checks the token and the gates of
 * the view. Roles are checked later, because only the body names the origins. Throws `not_found`, and the
 * errors of {@link expectMayChange}.
 */
export function viewChangersOnly(depot: Depot): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    signedIn(request, 'promote')
    expectMayChange(request, await viewToChange(request, depot), [])
  }
}

/** The views of each depot that were read since the ledger entry with this sequence number. */
const recentViews = new WeakMap<Depot, { readonly sequence: number; readonly byName: Map<string, View> }>()

/**
 * Returns the view in the URL, with all changes whose callers have had an answer. A view is read from the
 * database again only after a commit. Throws `not_found`.
 */
export async function viewToChange(request: FastifyRequest, depot: Depot): Promise<View> {
  const { db, follower } = depot
  const name = (request.params as { view: string }).view
  await follower.catchUp()
  const { sequence } = follower.head
  const recent = recentViews.get(depot)
  const known = recent?.sequence === sequence ? recent.byName : new Map<string, View>()
  if (known !== recent?.byName) recentViews.set(depot, { sequence, byName: known })
  const view = known.get(name) ?? (await getView(db, name))
  // If something was committed during the read, later callers use a new map and do not find this view.
  known.set(name, view)
  return view
}

/** Route hook for signed-in callers, whatever their tokens allow. */
export async function signedInOnly(request: FastifyRequest): Promise<void> {
  signedInAnyhow(request)
}

/**
 * Route hook for administrators, and for accounts that may override the gates of the view in the URL. Throws
 * `unauthenticated`, `not_found`, and `forbidden` for all others and for tokens that do not allow it.
 */
export function gateSettersOnly(depot: Depot): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    const caller = signedInAnyhow(request)
    const { overriders = [] } = (await viewToChange(request, depot)).gates
    const actsAsAdministrator = caller.isAdministrator && allowsAction(caller, 'manage')
    if (namesCaller(overriders, requesterOf(caller)) && !actsAsAdministrator)
      expectTokenAllows(caller, 'promote')
    else await administratorOnly(request)
  }
}

/** Route hook for administrators only. */
export async function administratorOnly(request: FastifyRequest): Promise<void> {
  expectAdministrator(signedIn(request, 'manage'))
}
