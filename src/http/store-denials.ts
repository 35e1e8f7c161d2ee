import type { FastifyInstance, FastifyRequest } from 'fastify'
import { DEPOT_ACTOR } from '../access/access.ts'
import { Denials } from '../accounts/denials.ts'
import type { Depot } from '../depot/depot.ts'
import type { RequestMetrics } from './operator/request-metrics.ts'
import type { AddHooks } from './requests/request.ts'

const STORE_EVERY_MS = 10_000

/** The codes of errors that mean that the caller lacks a right or a valid token. */
const DENIED: readonly (string | undefined)[] = [
  'unauthenticated',
  'forbidden',
  'token_not_owned',
  'key_upload_forbidden',
  'origin_reserved',
  'too_many_attempts',
]

/**
 * Counts requests that were refused for want of rights: changes, and reads for administrators. Stores the
 * counts every ten seconds and when the server closes. Requests do not wait for this. If the counts cannot be
 * stored, logs a warning and tries again ten seconds later.
 */
export function storeDenials(
  app: FastifyInstance,
  { writer, log, now }: Depot,
  metrics: RequestMetrics,
): AddHooks {
  const denials = new Denials()
  const store = async () => {
    try {
      await denials.flush((counted) =>
        writer.submit({ kind: 'saveDenials', input: { denials: counted }, actor: DEPOT_ACTOR }),
      )
    } catch (error) {
      log.warn({ err: error }, 'refused requests could not be stored')
    }
  }
  const timer = setInterval(() => void store(), STORE_EVERY_MS).unref()
  app.addHook('onClose', async () => {
    clearInterval(timer)
    await store()
  })
  return (scope) =>
    scope.addHook('onResponse', (request, _reply, done) => {
      if (isDenial(request)) {
        const code = request.refusalCode ?? ''
        metrics.recordDenial(code)
        denials.note({
          at: now(),
          account: request.caller?.accountName,
          tokenId: request.caller?.tokenId,
          address: request.ip,
          method: request.method,
          route: request.routeOptions.url ?? '',
          path: request.url.split('?', 1)[0] ?? '',
          code,
        })
      }
      done()
    })
}

/**
 * Reports whether a request counts as a denial. Of refused reads, only those with `forbidden` count, which is
 * the answer of routes for administrators.
 */
function isDenial({ method, refusalCode }: FastifyRequest): boolean {
  const isRead = method === 'GET' || method === 'HEAD'
  return isRead ? refusalCode === 'forbidden' : DENIED.includes(refusalCode)
}
