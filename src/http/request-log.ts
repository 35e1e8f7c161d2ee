import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { FastAnswer } from './habitat/polls/fast-path.ts'

/** Makes request ids from one random prefix and a counter, which is cheap enough for polls. */
export function requestIds(): () => string {
  const start = randomBytes(6).toString('hex')
  let count = 0
  return () => `${start}-${(count += 1)}`
}

/**
 * Logs a request in one line: faults of the depot at `error`, changes and refusals at `info`, reads and their
 * 404 at `debug`. Header values are never logged.
 */
export function logRequest(log: Logger, request: FastifyRequest, reply: FastifyReply): void {
  const status = reply.statusCode
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  // 501 is a refusal: this depot does not accept the platform.
  const level =
    status >= 500 && status !== 501
      ? 'error'
      : isRead && (status < 400 || status === 404 || request.isLoggedElsewhere)
        ? 'debug'
        : 'info'
  if (!log.isLevelEnabled(level)) return
  log[level](
    {
      request: request.id,
      method: request.method,
      path: request.url.split('?', 1)[0],
      status,
      ms: Math.round(reply.elapsedTime * 10) / 10,
      account: request.caller?.accountName,
      subject: request.subject,
      refusal: request.refusal,
    },
    'request',
  )
}

/** Like {@link logRequest}, for a poll that took the fast path. */
export function logPoll(log: Logger, request: string, { url, status, ms, caller }: FastAnswer): void {
  log.debug(
    {
      request,
      method: 'GET',
      path: url.split('?', 1)[0],
      status,
      ms: Math.round(ms * 10) / 10,
      account: caller?.accountName,
    },
    'request',
  )
}
