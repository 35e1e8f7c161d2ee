import type { FastifyInstance } from 'fastify'
import type { Depot } from '../../depot/depot.ts'
import { DepotError } from '../../errors.ts'

// What a node answers while it holds no lease: other nodes may have acknowledged changes that it does not
// know (docs/decisions/0085).

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route shows nothing of the ledger, and answers without a lease. */
    readonly needsNoLease?: boolean
  }
}

const RETRY_AFTER_SECONDS = 1
const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Reports whether other nodes may have acknowledged changes that this one does not know. Never on SQLite. */
export function isBehind({ lease }: Pick<Depot, 'lease'>): boolean {
  return lease !== undefined && !lease.isHeld()
}

/**
 * Adds the hook that refuses requests of a node without a lease with `database_unavailable`. With
 * `DEPOT_STALE=serve`, answers to reads get the header `x-hart-depot-stale` instead: the seconds since the
 * node last knew everything. Changes are still refused: they would wait for a server that may never answer.
 * Add the hook before the one that reads missed commits.
 */
export function addLeaseHook(app: FastifyInstance, { lease, config }: Pick<Depot, 'lease' | 'config'>): void {
  if (lease === undefined) return
  app.addHook('onRequest', (request, reply, done) => {
    if (lease.isHeld() || request.routeOptions.config.needsNoLease === true) return done()
    if (!config.answersStale || !READS.has(request.method))
      return done(
        new DepotError(
          'database_unavailable',
          'this node cannot reach the database, so its memory may be old; nothing was changed',
          { retryAfterSeconds: RETRY_AFTER_SECONDS },
        ),
      )
    reply.header('x-hart-depot-stale', Math.ceil(lease.behindMs() / 1_000))
    done()
  })
}
