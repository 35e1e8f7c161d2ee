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

// Decides who may read what, for depots that do not answer everyone (`DEPOT_ANONYMOUS`) and for the tokens of
// Supervisors, which are limited to views. Each route names what it shows; a route that names nothing is
// closed to both. The rights of an account are checked later, by the routes.

/**
 * What a route shows:
 * - `everyone`: what everyone may see, always, for example health and public keys,
 * - `every-token`: nothing about packages, or only what concerns the caller,
 * - `origin`: only packages of the origin in the URL,
 * - `view`: only releases of the view or the channel in the URL,
 * - `origin-in-view`: only releases of the origin and of the view in the URL,
 * - `release`: only the release in the URL,
 * - `view-in-query`: the promotions of one view, if the query says so.
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
    /** If absent, the route may show anything. */
    readonly reach?: Reach
  }
  interface FastifyRequest {
    /** Whether the request leaves the views of its token, so that it shows only what everyone may see. */
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
 * Admits a request whose caller is identified. Throws or rejects with `unauthenticated` if an anonymous
 * caller may not read what the route shows. Refuses a token that is limited to other views with `forbidden`,
 * or with `not_found` where only one release is requested, so that it looks like an absent one; if anonymous
 * callers would be answered, the token gets their answer. Returns a promise only if it reads the database.
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
 * Identifies the caller of a request again, after a wait. Throws or rejects with `unauthenticated` if the
 * token is no longer valid.
 */
export async function identifyAgain(
  { headers, isBeyondViews }: Pick<FastifyRequest, 'headers' | 'isBeyondViews'>,
  { depot }: Pick<RouteContext, 'depot'>,
): Promise<Caller> {
  const caller = await depot.authenticator.identify(headers.authorization)
  return caller !== undefined && isBeyondViews ? withoutRights(caller) : caller
}

/** Reports whether a request may learn which views exist. */
export function mayKnowView(
  { caller }: FastifyRequest,
  { depot, answers }: RouteContext,
  view: string,
): boolean {
  if (mayReadEverything(depot.config.anonymous)) return true
  if (caller === undefined) return false
  return readableViews(caller)?.includes(viewOf(view, answers).name) !== false
}

/** What the fast path must know of a poll to decide who may read the answer. */
export interface PollPlace {
  readonly view: string | undefined
  readonly channel: string | undefined
  readonly origin: string
  readonly release: string | undefined
}

/**
 * Reports whether the fast path may answer a poll to this caller. The route decides about all others, and
 * about a token that is limited to views and asks for one release, for which it reads the database.
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

/** Returns the view that a name such as `prod` or `prod@12` means, and the revision that it names. */
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
