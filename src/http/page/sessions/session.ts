import { createHash, randomBytes } from 'node:crypto'
import type { CookieSerializeOptions } from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { findSession } from '../../../accounts/account-store.ts'
import { findPageSession } from '../../../accounts/page-session-store.ts'
import type { Session } from '../../../access/access.ts'
import { DEPOT_ACTOR, readableViews } from '../../../access/access.ts'
import type { Depot } from '../../../depot/depot.ts'

// Sessions of browsers. A browser has a random cookie, and the database has its hash and the token with whose
// rights the browser acts. Every request reads both, so a session ends at once with its token or account, in
// every thread.

const COOKIE = 'hart-depot-session'
/** The cookie of browsers that are about to sign in, which forms need before there is a session. */
const VISITOR_COOKIE = 'hart-depot-visitor'
const SECRET_BYTES = 32
/** A session that was not used for this time has ended. */
const IDLE_MS = 8 * 60 * 60_000
/** The use of a session is stored when the last stored one is older. */
const STORE_USE_MS = 5 * 60_000
const VISITOR_SECONDS = 60 * 60

/** The session of a request, if its cookie names one that has not ended. */
export type FoundSession = { readonly caller: Session; readonly cookie: string } | 'ended' | 'none'

/** Finds the session of a request. */
export async function openPageSession(request: FastifyRequest, depot: Depot): Promise<FoundSession> {
  const cookie = request.cookies[COOKIE]
  if (cookie === undefined || cookie === '') return 'none'
  const { promptDb: db, now, authenticator } = depot
  const hash = hashCookie(cookie)
  const session = await findPageSession(db, hash)
  const at = now()
  if (session === undefined || session.expiresAt <= at || session.usedAt + IDLE_MS <= at) return 'ended'
  const caller = await findSession(db, { id: session.tokenId })
  if (caller === undefined || (caller.expiresAt ?? Infinity) <= at) return 'ended'
  if (readableViews(caller) !== undefined) return 'ended' // the token was narrowed since, and a page shows more
  authenticator.uses.of(caller.tokenId).at = at
  if (session.usedAt + STORE_USE_MS <= at) storeUse(depot, hash)
  return { caller, cookie }
}

function storeUse({ writer, log }: Depot, hash: string): void {
  writer
    .submit({ kind: 'keepPageSession', input: { hash }, actor: DEPOT_ACTOR })
    .catch((error: unknown) => log.warn({ err: error }, 'the use of a session could not be stored'))
}

/** Begins a session with a new cookie, and ends the former one of the browser. */
export async function beginPageSession(
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  { writer, now }: Depot,
  token: { readonly tokenId: number; readonly ownsToken: boolean },
): Promise<void> {
  const cookie = newSecret()
  const { expiresAt } = await writer.submit({
    kind: 'beginPageSession',
    input: { hash: hashCookie(cookie), ...token },
    actor: DEPOT_ACTOR,
  })
  await endPageSession(request, writer)
  const maxAge = Math.floor((expiresAt - now()) / 1_000)
  reply.setCookie(COOKIE, cookie, { ...cookieOptions(request), maxAge })
  reply.clearCookie(VISITOR_COOKIE, cookieOptions(request))
}

/** Ends the session of a request, if there is one. */
export async function endPageSession(request: FastifyRequest, writer: Depot['writer']): Promise<void> {
  const cookie = request.cookies[COOKIE]
  if (cookie === undefined) return
  await writer.submit({ kind: 'endPageSession', input: { hash: hashCookie(cookie) }, actor: DEPOT_ACTOR })
}

/** Makes the browser forget the cookie of its session. */
export function clearSessionCookie(request: FastifyRequest, reply: FastifyReply): void {
  reply.clearCookie(COOKIE, cookieOptions(request))
}

/** Gives a browser without a session a secret cookie, so that it can be shown a form. */
export function setVisitorCookie(request: FastifyRequest, reply: FastifyReply): void {
  request.visitorCookie = formCookie(request) ?? newSecret()
  reply.setCookie(VISITOR_COOKIE, request.visitorCookie, {
    ...cookieOptions(request),
    maxAge: VISITOR_SECONDS,
  })
}

/** Returns the secret cookie that the forms of a request belong to; `undefined` if the browser has none. */
export function formCookie(request: FastifyRequest): string | undefined {
  return request.pageCookie ?? request.visitorCookie ?? request.cookies[VISITOR_COOKIE]
}

/** Returns the attributes of all cookies of the page. */
export function cookieOptions(request: FastifyRequest): CookieSerializeOptions {
  return {
    httpOnly: true,
    sameSite: 'lax',
    secure: request.isSecure,
    path: request.publicPath === '' ? '/' : request.publicPath,
  }
}

function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url')
}

function hashCookie(cookie: string): string {
  return createHash('sha256').update(cookie).digest('hex')
}
