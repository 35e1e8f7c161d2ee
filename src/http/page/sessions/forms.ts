import { createHash } from 'node:crypto'
import makeTokens from '@fastify/csrf'
import type Tokens from '@fastify/csrf'
import type { FastifyRequest } from 'fastify'
import type { Config } from '../../../config/config.ts'
import { DepotError } from '../../../errors.ts'
import { depotOrigin } from '../html/depot-url.ts'
import { formCookie } from './session.ts'

// Forms of other sites cannot change anything. The Origin header of a request with a body must name this
// depot, and the body must have the token of a form that was made for the cookie of the same browser.

const tokens: Tokens.TokensSimple = makeTokens({})

/** Makes the token of the forms of a browser with this secret cookie. */
export function makeFormToken(cookie: string): string {
  return tokens.create(secretOf(cookie))
}

/**
 * Checks that a page of this depot sent the request. Throws `forbidden`, or `unauthenticated` if the session
 * of the form has ended.
 */
export function expectOwnForm(request: FastifyRequest, config: Pick<Config, 'publicUrl'>): void {
  const { origin, 'sec-fetch-site': site = 'same-origin' } = request.headers
  if (origin === undefined || site !== 'same-origin' || !isOwnOrigin(origin, request, config))
    throw new DepotError(
      'forbidden',
      'this form was sent by another site: if it was not, the depot needs to know its own address, DEPOT_PUBLIC_URL',
    )
  const cookie = formCookie(request)
  const { _csrf: token } = (request.body ?? {}) as { _csrf?: unknown }
  if (request.hasEnded && cookie === undefined)
    throw new DepotError('unauthenticated', 'your session has ended. Nothing was changed')
  if (cookie === undefined || typeof token !== 'string' || !tokens.verify(secretOf(cookie), token))
    throw new DepotError(
      'forbidden',
      'this form is too old, or belongs to a session that has ended: load the page again',
    )
}

/**
 * Reports whether an origin is that of the depot. Behind a proxy that ends TLS and is not named in the
 * settings, only the host is known.
 */
function isOwnOrigin(origin: string, request: FastifyRequest, config: Pick<Config, 'publicUrl'>): boolean {
  if (origin === depotOrigin(request, config)) return true
  return URL.canParse(origin) && new URL(origin).host === request.host
}

function secretOf(cookie: string): string {
  return createHash('sha256').update(`forms of ${cookie}`).digest('base64url')
}
