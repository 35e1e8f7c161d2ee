import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Caller, CallerActor } from '../../access/access.ts'
import type { Answers } from '../../answers/answers.ts'
import type { Depot } from '../../depot/depot.ts'
import { DepotError } from '../../errors.ts'
import type { Feed } from '../../following/feed.ts'
import type { VisiblePages } from '../../following/visible-pages.ts'
import type { PollCounts, Pollers } from '../../pollers/pollers.ts'
import type { PendingAnswers } from './pending-answers.ts'
import type { ProxyTrust } from './public-path.ts'
import type { ReceivedBodies } from './received-bodies.ts'
import type { WebhookOperations } from '../../delivery/webhooks.ts'
import type { MirrorOperations } from '../../upstream/mirror.ts'
import type { RefreshOperations } from '../../upstream/refresher.ts'
import type { UpstreamOperations } from '../../upstream/upstream.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route hands requests to the page for browsers. */
    readonly isPage?: true
  }
  interface FastifyRequest {
    caller: Caller
    /** The reason for a refusal, for the log. */
    refusal: string | undefined
    /** The code of the error that was answered (docs/errors.md), for the metrics. */
    refusalCode: string | undefined
    /** The subject of the request, for the log. */
    subject: string | undefined
    /** Whether another log line already reports the refusal. */
    isLoggedElsewhere: boolean
    /** The path of the depot as the client sees it: `/depot` for `https://host/depot`, empty for the root. */
    readonly publicPath: string
    /**
     * Whether the request waits for an event. Its duration then says nothing about the speed of the depot.
     */
    isHeld: boolean
    /**
     * Whether to answer even when too many answers are pending: polls, whose bodies are shared, and metrics.
     */
    isVital: boolean
    /** Whether the request failed for lack of file descriptors. */
    lacksDescriptors: boolean
    /** The request bodies that this thread holds. */
    readonly bodies: ReceivedBodies
  }
}

/** Adds hooks to a scope of routes. */
export type AddHooks = (scope: FastifyInstance) => void

/** The objects that the routes of one thread share. */
export interface RouteContext {
  readonly depot: Depot
  readonly answers: Answers
  readonly feed: Feed
  /** The answers of this thread that wait for slow clients. */
  readonly pending: PendingAnswers
  /** The request bodies that this thread holds. */
  readonly bodies: ReceivedBodies
  /** Pages of ledger entries that followers with the same rights share. */
  readonly pages: VisiblePages
  readonly webhooks: WebhookOperations
  /** Absent without `DEPOT_UPSTREAM`. */
  readonly upstream: UpstreamOperations | undefined
  /** Absent without `DEPOT_UPSTREAM`. */
  readonly refresher: RefreshOperations | undefined
  /** Absent without `DEPOT_MIRROR` and `DEPOT_MIRROR_VIEWS`. */
  readonly mirror: MirrorOperations | undefined
  /** Counts the polls that this thread answers. */
  readonly pollers: Pollers
  /** Whether an address is that of a trusted proxy. */
  readonly trustsProxy: ProxyTrust
  /** The counts of all threads that answer requests. */
  readonly pollCounts: () => Promise<PollCounts>
}

/**
 * Returns the actor of the change that this request makes. `door` is the API that the client used. Throws
 * `unauthenticated`, because every change needs a token.
 */
export function actorOf({ caller, headers }: FastifyRequest, door: CallerActor['door']): CallerActor {
  if (caller === undefined) throw new DepotError('unauthenticated', 'this request needs a token')
  const { accountId, tokenId } = caller
  return { accountId, tokenId, client: clientOf(headers), door }
}

/** Returns the name of the client for the ledger. */
export function clientOf(headers: FastifyRequest['headers']): string {
  return (headers['user-agent'] ?? '').slice(0, 200)
}

/** Reports whether the headers announce a body (RFC 9112 6.3). */
export function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** Reports whether a request is a poll of a supervisor, by its route. */
export function isPoll({ routeOptions: { url = '' } }: FastifyRequest): boolean {
  return url.startsWith('/v1/') && url.endsWith('/latest')
}
