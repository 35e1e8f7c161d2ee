import { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { BlobStream } from '../blobs/storage.ts'
import { DepotError } from '../errors.ts'
import type { RequestMetrics } from './operator/request-metrics.ts'
import { closeIfSending } from './requests/drain.ts'
import type { PendingAnswers } from './requests/pending-answers.ts'
import { hasBody } from './requests/request.ts'
import type { RouteContext } from './requests/request.ts'
import { logRequest } from './request-log.ts'

/**
 * Smaller answers are not counted: each connection has only one answer at a time, and the number of
 * connections is limited.
 */
const COUNTED_FROM_BYTES = 4 * 1024
const RETRY_AFTER_SECONDS = 5

/** Adds {@link addSendHook}, and a hook that counts each answered request and logs it. */
export function addAnswerHooks(app: FastifyInstance, context: RouteContext, metrics: RequestMetrics): void {
  addSendHook(app, context)
  app.addHook('onResponse', (request, reply, done) => {
    metrics.recordRequest(request, reply)
    logRequest(context.depot.log, request, reply)
    done()
  })
}

/** Adds the hook that runs before an answer is sent. It limits the memory of unread answers. */
export function addSendHook(app: FastifyInstance, { depot, bodies, pending }: RouteContext): void {
  app.addHook('onSend', (request, reply, payload, done) => {
    if (hasBody(request)) bodies.settle(request)
    if (reply.raw.destroyed) logRequest(depot.log, request, reply) // the client is gone, so onResponse will not run
    else closeIfSending(request, reply)
    const { socket } = reply.raw
    if (socket instanceof Socket) socket.setTimeout(depot.limits.unreadMs) // cuts the connection unless the client reads something in this time
    const refusal = chargeAnswer(pending, { request, reply, payload })
    if (refusal === undefined) done()
    else done(refusal)
  })
}

/**
 * Counts the memory that an answer holds until its client has received it. Returns a refusal if there is no
 * room. Only answers to reads are refused, because a change has already happened.
 */
function chargeAnswer(
  pending: PendingAnswers,
  { request, reply, payload }: { request: FastifyRequest; reply: FastifyReply; payload: unknown },
): DepotError | undefined {
  const { socket } = reply.raw
  const bytes =
    payload instanceof BlobStream
      ? payload.heldBytes
      : typeof payload === 'string' || Buffer.isBuffer(payload)
        ? payload.length
        : 0
  if (bytes < COUNTED_FROM_BYTES || !(socket instanceof Socket) || reply.raw.destroyed) return undefined
  const mayRefuse =
    (request.method === 'GET' || request.method === 'HEAD') && reply.statusCode < 400 && !request.isVital
  if (!pending.makeRoom(bytes) && mayRefuse) {
    if (payload instanceof BlobStream) payload.destroy()
    return new DepotError(
      'overloaded',
      `too many answers are waiting for slow clients: try again in ${RETRY_AFTER_SECONDS} seconds`,
      { retryAfterSeconds: RETRY_AFTER_SECONDS },
    )
  }
  reply.raw.once('close', pending.charge(socket, bytes))
  return undefined
}
