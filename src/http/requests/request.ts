import type { FastifyRequest } from 'fastify'
import type { Caller, CallerActor } from '../../access/access.ts'
import type { Answers } from '../../answers/answers.ts'
import type { Depot } from '../../depot/open.ts'
import { DepotError } from '../../errors.ts'
import type { Feed } from '../../following/feed.ts'
import type { VisiblePages } from '../../following/visible-pages.ts'
import type { PendingAnswers } from './pending-answers.ts'
import type { ReceivedBodies } from './received-bodies.ts'
import type { WebhookOperations } from '../../delivery/webhooks.ts'

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller
    /** Why it was refused, for the log. */
    refusal: string | undefined
    /** What it was about, for the log. */
    subject: string | undefined
    /** Whether the log has a line of its refusal besides that of the request. */
    isLoggedElsewhere: boolean
    /** Where the depot is, as the client sees it: `/depot` for `https://host/depot`, and empty for the root of a host. */
    readonly publicPath: string
    /** Whether it waits for something to happen: its time says nothing of the depot's. */
    isHeld: boolean
    /** Whether it is answered even when too many answers wait for their clients: for polls, whose bodies are shared, and for figures. */
    isVital: boolean
    /** Whether it failed because no file descriptor was left. */
    lacksDescriptors: boolean
    /** What this thread holds of bodies. */
    readonly bodies: ReceivedBodies
  }
}

/** What routes work with. */
export interface RouteContext {
  readonly depot: Depot
  readonly answers: Answers
  readonly feed: Feed
  readonly pending: PendingAnswers
  readonly bodies: ReceivedBodies
  readonly pages: VisiblePages
  readonly webhooks: WebhookOperations
}

/** Who makes the change that this request asks for. Throws `unauthenticated`: nobody changes anything without a token. */
export function actorOf({ caller, headers }: FastifyRequest, door: CallerActor['door']): CallerActor {
  if (caller === undefined) throw new DepotError('unauthenticated', 'this needs a token')
  const { accountId, tokenId } = caller
  return { accountId, tokenId, client: (headers['user-agent'] ?? '').slice(0, 200), door }
}

/** RFC 9112 6.3: a request has a body if it says so. */
export function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
