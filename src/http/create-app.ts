import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import fastify, { LogController } from 'fastify'
import type { FastifyBaseLogger, FastifyHttpOptions, FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Depot } from '../depot/depot.ts'
import { DEFAULT_MAX_BODY_BYTES } from './api/conventions/body-limits.ts'
import { closeIfSending } from './requests/drain.ts'
import { replyHabitat, replyProblem } from './requests/error-reply.ts'
import { CURRENT_RESPONSE } from './requests/one-at-a-time.ts'
import { pathOf, proxyTrust, withoutPath } from './requests/public-path.ts'
import { MAX_PARAMETER_LENGTH, WITHOUT_COMPILERS, validate } from './requests/validate.ts'
import { logRequest } from './request-log.ts'

const MAX_CLOSE_MS = 2_000
const CONNECTION_STATUS: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
}

/** Options of the instance of fastify that listens. */
export function optionsOfServer({ config, limits, log }: Depot): FastifyHttpOptions<Server> {
  const publicPath = pathOf(config.publicUrl)
  return {
    ...(publicPath !== '' && {
      rewriteUrl: ({ url = '/' }: IncomingMessage) => withoutPath(url, publicPath),
    }),
    forceCloseConnections: 'idle',
    http: { headersTimeout: limits.headMs, connectionsCheckingInterval: limits.headMs / 2 },
    clientErrorHandler: (error, socket) => refuseConnection(log, error, socket),
  }
}

/**
 * Makes an instance of fastify with the depot's settings, without hooks and routes. Without `options`, it
 * only answers requests that another instance passes on.
 */
export function createApp(
  { config, log }: Depot,
  nextId: () => string,
  options: FastifyHttpOptions<Server> = {},
): FastifyInstance {
  // Fastify logs where it listens, in words of its own. `serve` says it.
  const loggerInstance: FastifyBaseLogger = log.isLevelEnabled('info')
    ? log.child({}, { level: 'warn' })
    : log
  const app = fastify({
    ...options,
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: nextId,
    childLoggerFactory: (logger) => logger, // a logger per request costs more than answering a poll
    trustProxy: config.trustProxy === false ? false : proxyTrust(config.trustProxy),
    bodyLimit: DEFAULT_MAX_BODY_BYTES,
    pluginTimeout: 0, // routes load in turns, between answers
    // Handles URLs that cannot be decoded. They reach no hook and no route.
    frameworkErrors(error, request, reply) {
      closeIfSending(request, reply)
      if (request.url.startsWith('/api/')) replyProblem(error, request, reply)
      else replyHabitat(error, request, reply)
      logRequest(log, request, reply)
    },
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH, ignoreTrailingSlash: true },
    exposeHeadRoutes: false, // answerHead instead
    schemaController: WITHOUT_COMPILERS,
  })
  app.setValidatorCompiler(validate)
  app.setSerializerCompiler(() => JSON.stringify) // response schemas serve only openapi.yaml and TypeScript
  app.setErrorHandler(replyProblem)
  // Only routes read bodies, so a request without a route never has its body read.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _body, done) => done(null))
  return app
}

/**
 * Refuses a connection whose request is not valid HTTP or is too slow. If an answer has already begun, the
 * depot sends it to its end and sends no refusal, which the client would take for a part of that answer.
 */
function refuseConnection(
  log: Logger,
  error: Error & { code?: string },
  socket: Socket & { [CURRENT_RESPONSE]?: ServerResponse | null },
): void {
  if (!socket.writable) return
  const begun = socket[CURRENT_RESPONSE]
  if (begun?.headersSent === true) return void begun.once('finish', () => socket.destroySoon())
  const status = CONNECTION_STATUS[error.code ?? ''] ?? '400 Bad Request'
  log.info(
    { status: Number.parseInt(status, 10), refusal: `${error.code ?? ''}: ${error.message}` },
    'connection',
  )
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  setTimeout(() => socket.destroy(), MAX_CLOSE_MS).unref()
}
