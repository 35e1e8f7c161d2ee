import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AddressLimit } from '../accounts/address-limit.ts'
import type { Depot } from '../depot/depot.ts'
import { DepotError } from '../errors.ts'
import type { RequestMetrics } from './operator/request-metrics.ts'
import { addLeaseHook, isBehind } from './requests/behind.ts'
import { pathOf, publicPathOf } from './requests/public-path.ts'
import { admit } from './requests/reading.ts'
import { isPoll } from './requests/request.ts'
import type { RouteContext } from './requests/request.ts'

/**
 * Declares the fields that hooks and routes add to requests. Declared fields keep the shape of all requests
 * the same.
 */
export function decorateRequests(app: FastifyInstance, { depot, bodies, trustsProxy }: RouteContext): void {
  const publicPath = pathOf(depot.config.publicUrl)
  app.decorateRequest('caller', undefined)
  app.decorateRequest('refusal', undefined)
  app.decorateRequest('refusalCode', undefined)
  app.decorateRequest('subject', undefined)
  app.decorateRequest('isLoggedElsewhere', false)
  app.decorateRequest('isHeld', false)
  app.decorateRequest('isVital', false)
  app.decorateRequest('isBeyondViews', false)
  app.decorateRequest('lacksDescriptors', false)
  app.decorateRequest('bodies', {
    getter() {
      return bodies
    },
  })
  app.decorateRequest('publicPath', {
    getter(this: FastifyRequest) {
      return publicPathOf(this, publicPath, trustsProxy)
    },
  })
}

/** Returns the limit of wrong tokens, which all scopes share. */
export function guessesOf({ now, limits }: Depot): AddressLimit {
  // Only wrong tokens count: a whole site may share one address.
  return new AddressLimit(now, {
    what: 'requests with a wrong token',
    perMinute: limits.wrongTokensPerMinute,
  })
}

/**
 * Adds the hooks that run before a route. They read missed commits, refuse requests with two Host headers,
 * identify the caller, and refuse callers who may not read what the route shows. One hook notes errors that
 * show that the database is damaged.
 */
export function addRequestHooks(
  app: FastifyInstance,
  context: RouteContext,
  { metrics, guesses }: { metrics: RequestMetrics; guesses: AddressLimit },
): void {
  const { depot, pollers } = context
  const identify = async (request: FastifyRequest, authorization: string) => {
    try {
      request.caller = await depot.authenticator.identify(authorization)
    } catch (error) {
      if (!(error instanceof DepotError && error.code === 'unauthenticated')) throw error
      const limited = guesses.count(request.ip)
      metrics.recordWrongToken(limited === undefined ? 'refused' : 'limited')
      if (isPoll(request)) pollers.countRefused(request.ip)
      throw limited ?? error
    }
  }
  addLeaseHook(app, depot)
  app.addHook('onError', (_request, _reply, error, done) => {
    depot.damage.note(error)
    done()
  })
  app.addHook('onRequest', (_request, _reply, done) => {
    const behind = depot.follower.catchUp()
    if (behind === undefined) return done()
    return depot.config.answersStale && isBehind(depot) ? behind.catch(() => undefined) : behind
  })
  app.addHook('onRequest', (request, _reply, done) => {
    if (hasTwoHosts(request.raw.rawHeaders))
      return done(new DepotError('invalid_request', 'the request has more than one Host header'))
    const { authorization } = request.headers
    if (authorization === undefined) return done()
    return identify(request, authorization)
  })
  app.addHook('onRequest', (request, _reply, done) => {
    try {
      return admit(request, context) ?? done()
    } catch (error) {
      if (request.caller === undefined && isPoll(request)) pollers.countRefused(request.ip)
      throw error
    }
  })
}

/**
 * Reports whether a request has two Host headers, for which RFC 9112 3.2 requires 400. node:http silently
 * keeps the first.
 */
function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === 'host'.length && name.toLowerCase() === 'host') count += 1
  }
  return count > 1
}
