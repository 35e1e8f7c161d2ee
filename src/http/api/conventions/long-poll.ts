import { EventEmitter } from 'node:events'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Caller } from '../../../access/access.ts'
import type { WakeReason, WatchOptions } from '../../../following/feed.ts'
import { identifyAgain } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'

/**
 * Returns the deadline of a request that waits, in the time of `performance.now()`, or `undefined` if it does
 * not wait.
 */
export function deadlineOf(waitSeconds: number | undefined): number | undefined {
  return waitSeconds === undefined || waitSeconds === 0 ? undefined : performance.now() + waitSeconds * 1_000
}

/**
 * Holds a request until a matching commit after `after`, until the rights of its caller change, or until the
 * deadline. Returns the reason why the wait ended. Then checks the token again, so that lost roles take
 * effect. Rejects with `unauthenticated` if the token was revoked or has expired.
 */
export async function longPoll(
  context: RouteContext,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  options: WatchOptions & { after: number; deadline: number },
): Promise<WakeReason> {
  const { caller } = request
  request.isHeld = true
  const client = clientOf(request, reply)
  const deadline = Math.min(options.deadline, performance.now() + lifetimeMs(caller, context.depot.now()))
  const reason = client.hasLeft()
    ? 'left'
    : await context.feed.wait({ ...options, deadline, account: caller?.accountName, client })
  client.forget()
  if (caller !== undefined && reason !== 'left') request.caller = await identifyAgain(request, context)
  return reason
}

/**
 * Returns how long the token of the caller remains valid, in milliseconds; `now` is the time of the depot's
 * clock.
 */
export function lifetimeMs(caller: Caller, now: number): number {
  return caller?.expiresAt === undefined ? Infinity : Math.max(0, caller.expiresAt - now)
}

interface Client extends EventEmitter {
  hasLeft(): boolean
  /** Stops listening to the connection. */
  forget(): void
}

/**
 * Returns an emitter that emits `close` when the client leaves or closes its sending side. A client that
 * closed its sending side may have left, so it is answered without further waiting.
 */
function clientOf({ raw: { socket } }: FastifyRequest, { raw: response }: FastifyReply): Client {
  const client = new EventEmitter()
  const leave = () => void client.emit('close')
  response.once('close', leave)
  socket.once('end', leave)
  return Object.assign(client, {
    hasLeft: () => socket.readableEnded,
    forget() {
      response.off('close', leave)
      socket.off('end', leave)
    },
  })
}
