import { randomUUID } from 'node:crypto'
import fastify from 'fastify'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import type { Logger } from 'pino'
import { Answers } from '../answers/answers.ts'
import type { Depot } from '../depot.ts'
import { habitatDoor } from './depot/door.ts'
import { renderPackage, renderPackageBriefly } from './depot/wire.ts'
import { replyHabitat, replyProblem } from './error-reply.ts'
import { askBeforeSending, closeGently } from './drain.ts'
import type { Door } from './request.ts'

const LONGEST_PARAMETER = 2_048
const LARGEST_JSON_BYTES = 4 * 1024 * 1024

/** The HTTP server over a depot, not yet listening. Closing it waits for requests in flight; the depot stays open. */
export async function buildServer(depot: Depot): Promise<FastifyInstance> {
  const answers = await Answers.open(depot.db, { whole: renderPackage, brief: renderPackageBriefly })
  depot.writer.onCommit((entries) => answers.onCommit(entries))
  const door: Door = { depot, answers }

  const loggerInstance: FastifyBaseLogger = depot.log
  const app = fastify({
    loggerInstance,
    disableRequestLogging: true,
    genReqId: () => randomUUID(),
    trustProxy: depot.config.trustProxy,
    bodyLimit: LARGEST_JSON_BYTES,
    forceCloseConnections: 'idle',
    // For URLs that cannot be decoded, which reach no hook and no route.
    frameworkErrors(error, request, reply) {
      reply.header('connection', 'close')
      closeGently(request.raw)
      if (request.url.startsWith('/api/')) replyProblem(error, request, reply)
      else replyHabitat(error, request, reply)
      logRequest(depot.log, request, reply)
    },
    routerOptions: { maxParamLength: LONGEST_PARAMETER, ignoreTrailingSlash: true },
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.decorateRequest('caller', undefined)
  app.decorateRequest('refusal', undefined)
  app.decorateRequest('subject', undefined)
  app.addHook('onRequest', async (request) => {
    request.caller = await depot.authenticator.identify(request.headers.authorization)
  })
  app.addHook('onSend', (request, reply, _payload, done) => {
    if (reply.raw.destroyed) {
      logRequest(depot.log, request, reply) // the client has left: nothing follows
    } else if (isStillSending(request)) {
      reply.header('connection', 'close')
      closeGently(request.raw)
    }
    done()
  })
  app.addHook('onResponse', async (request, reply) => logRequest(depot.log, request, reply))
  askBeforeSending(app.server)
  app.setErrorHandler(replyProblem)
  app.setNotFoundHandler((_request, reply) => reply.code(404).send())

  await app.register(habitatDoor, { prefix: '/v1', door })
  return app
}

function isStillSending(request: FastifyRequest): boolean {
  const { complete } = request.raw as { complete?: boolean } // absent where a request is injected
  return complete === false
}

/** Changes and refusals are one line each at `info`; reads, which are most of the traffic, at `debug`. Never a header's value. */
function logRequest(log: Logger, request: FastifyRequest, reply: FastifyReply): void {
  const status = reply.statusCode
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  const level = status >= 500 ? 'error' : isRead && (status < 400 || status === 404) ? 'debug' : 'info'
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
