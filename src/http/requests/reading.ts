import type { FastifyRequest } from 'fastify'
import { mayReadEverything, mayReadOrigin } from '../../access/anonymous-reading.ts'
import type { AnonymousReading } from '../../access/anonymous-reading.ts'
import { audienceOf, readableViews, withoutRights } from '../../access/access.ts'
import type { Caller, Session } from '../../access/access.ts'
import type { Answers } from '../../answers/answers.ts'
import { DepotError, quote } from '../../errors.ts'
import { POSITION, parsePosition } from '../../ledger/position.ts'
import { isInClosure } from '../../releases/closure-store.ts'
import type { RouteContext } from './request.ts'

// Decides whether a route may answer two kinds of callers: anonymous callers of a depot that does not let
// them read everything (`DEPOT_ANONYMOUS`), and tokens of Supervisors, which may read only some views. Each
// route declares what it shows; a route without a declaration refuses both kinds. The routes themselves check
// the rights of accounts later.

/**
 * What a route shows:
 * - `everyone`: only data that everyone may always see, for example health and public keys,
 * - `every-token`: nothing about packages, or only data about the caller,
 * - `origin`: only packages of the origin in the URL,
 * - `view`: only releases in the view or channel in the URL,
 * - `origin-in-view`: only releases of the origin in the URL that are in the view in the URL,
 * - `release`: only the release in the URL,
 * - `view-in-query`: only promotions to one view, if the query has both `view` and `kind=promotion`.
 */
export type Reach =
  | 'everyone'
  | 'every-token'
  | 'origin'
  | 'view'
  | 'origin-in-view'
  | 'release'
  | 'view-in-query'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** If absent, the route may show anything, so it refuses the callers that this module restricts. */
    readonly reach?: Reach
  }
  interface FastifyRequest {
    /**
     * Whether the request asks for more than the views of its token. Such a request has the rights of an
     * anonymous caller.
     */
    isBeyondViews: boolean
  }
}

/** Returns the route options that declare what a route shows. */
export function shows<Shown extends Reach>(reach: Shown): { readonly config: { readonly reach: Shown } } {
  return { config: { reach } }
}

interface Place {
  readonly origin?: string
  readonly name?: string
  readonly version?: string
  readonly release?: string
  readonly view?: string
  readonly channel?: string
}

/**
 * Checks that the caller of a request, who is already identified, may read what the route shows. Returns a
 * promise only if it reads the database.
 *
 * Throws `unauthenticated` if an anonymous caller may not read it. A token that is limited to other views
 * gets the answer that an anonymous caller would get. If an anonymous caller would be refused, throws or
 * rejects with `forbidden`, or with `not_found` for a route that shows one release, which then looks absent.
 */
export function admit(request: FastifyRequest, context: RouteContext): undefined | Promise<undefined> {
  const { caller } = request
  const { anonymous } = context.depot.config
  const views = caller && readableViews(caller)
  if (views === undefined && (caller !== undefined || mayReadEverything(anonymous))) return undefined
  const { reach } = request.routeOptions.config
  if (reach === 'everyone') return undefined
  const place = (request.params ?? {}) as Place
  const isOpen = isOpenToAnonymous(anonymous, reach, place.origin)
  if (caller === undefined || views === undefined) {
    if (isOpen) return undefined
    throw new DepotError('unauthenticated', 'this depot answers only requests with a token')
  }
  const leaveViews = () => {
    if (!isOpen) throw beyondViews(reach, place, views)
    request.isBeyondViews = true
    request.caller = withoutRights(caller)
    return undefined
  }
  const isWithin = isWithinViews(request, context, { caller, views, place, reach })
  if (isWithin instanceof Promise) return isWithin.then((is) => (is ? undefined : leaveViews()))
  return isWithin ? undefined : leaveViews()
}

/**
 * Identifies the caller of a request again, for example after a long wait. Rejects with `unauthenticated` if
 * the token is no longer valid.
 */
export async function identifyAgain(
  { headers, isBeyondViews }: Pick<FastifyRequest, 'headers' | 'isBeyondViews'>,
  { depot }: Pick<RouteContext, 'depot'>,
): Promise<Caller> {
  const caller = await depot.authenticator.identify(headers.authorization)
  return caller !== undefined && isBeyondViews ? withoutRights(caller) : caller
}

/** Reports whether the caller of a request may learn whether a view exists. `view` may have a revision. */
export function mayKnowView(
  { caller }: FastifyRequest,
  { depot, answers }: RouteContext,
  view: string,
): boolean {
  if (mayReadEverything(depot.config.anonymous)) return true
  if (caller === undefined) return false
  return readableViews(caller)?.includes(viewOf(view, answers).name) !== false
}

/** The parts of a poll's URL that decide who may read the answer. */
export interface PollPlace {
  readonly view: string | undefined
  readonly channel: string | undefined
  readonly origin: string
  readonly release: string | undefined
}

/**
 * Reports whether the fast path may answer a poll of this caller. If not, the route decides. The fast path
 * never answers a token that is limited to views and asks for one release, because that decision may need the
 * database.
 */
export function mayReadPoll(
  caller: Caller,
  { view, channel, origin, release }: PollPlace,
  anonymous: AnonymousReading,
): boolean {
  if (caller === undefined) return mayReadOrigin(anonymous, origin)
  const views = readableViews(caller)
  return views === undefined || (release === undefined && views.includes(view ?? channel ?? ''))
}

function isOpenToAnonymous(
  anonymous: AnonymousReading,
  reach: Reach | undefined,
  origin: string | undefined,
): boolean {
  if (mayReadEverything(anonymous)) return true
  const showsOrigin = reach === 'origin' || reach === 'origin-in-view' || reach === 'release'
  return showsOrigin && origin !== undefined && mayReadOrigin(anonymous, origin)
}

interface Reading {
  readonly caller: Session
  readonly views: readonly string[]
  readonly place: Place
  readonly reach: Reach | undefined
}

function isWithinViews(
  { query }: FastifyRequest,
  { depot, answers }: RouteContext,
  { caller, views, place, reach }: Reading,
): boolean | Promise<boolean> {
  if (reach === 'everyone' || reach === 'every-token') return true
  if (reach === 'view-in-query') {
    const { view, kind } = (query ?? {}) as { view?: unknown; kind?: unknown }
    return typeof view === 'string' && views.includes(view) && kind === 'promotion'
  }
  const named = place.view ?? place.channel
  const at = named === undefined ? undefined : viewOf(named, answers)
  const isOfViews = at !== undefined && views.includes(at.name)
  if (reach === 'view' || reach === 'origin-in-view') return isOfViews
  if (reach !== 'release' || (at !== undefined && !isOfViews)) return false
  const { origin = '', name = '', version = '', release = '' } = place
  const within = at === undefined ? views : [at.name]
  if (within.some((view) => answers.isOpen(view) && !answers.governs(view, origin))) return true
  const closure = { views: within, revision: at?.revision }
  return isInClosure(depot.db, `${origin}/${name}/${version}/${release}`, closure, audienceOf(caller))
}

/** Splits a name such as `prod@12` into the view and the revision. `prod` alone has no revision. */
function viewOf(
  name: string,
  answers: Pick<Answers, 'isOpen'>,
): { readonly name: string; readonly revision: number | undefined } {
  const at = name.lastIndexOf('@')
  const revision = name.slice(at + 1)
  if (at <= 0 || !POSITION.test(revision) || answers.isOpen(name)) return { name, revision: undefined }
  return { name: name.slice(0, at), revision: parsePosition(revision).number }
}

function beyondViews(
  reach: Reach | undefined,
  { origin, name, version, release }: Place,
  views: readonly string[],
): DepotError {
  const named = views.map(quote).join(', ')
  return reach === 'release'
    ? new DepotError(
        'not_found',
        `there is no release ${origin}/${name}/${version}/${release} in ${named} or among what its packages need`,
      )
    : new DepotError('forbidden', `this token reads only ${named}, and what its packages need`)
}
