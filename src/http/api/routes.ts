import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { DepotError } from '../../errors.ts'
import { replyProblem } from '../requests/error-reply.ts'
import { incoming } from '../../publishing/incoming.ts'
import { expectModest } from '../requests/json-limits.ts'
import { hasBody } from '../requests/request.ts'
import type { RouteContext } from '../requests/request.ts'
import { accountRoutes } from './accounts/routes.ts'
import { collectMethods } from './allowed-methods.ts'
import { changeRoutes } from './changes/routes.ts'
import { latestRoutes } from './content/latest.ts'
import { contentRoutes } from './content/routes.ts'
import { DEFAULT_JSON_LIMITS } from './conventions/body-limits.ts'
import { tagAnswers } from './conventions/entity-tags.ts'
import { eventRoutes } from './events/routes.ts'
import { gateRoutes } from './gates/routes.ts'
import { historyRoutes } from './history/routes.ts'
import { depotKeyRoutes } from './lockfiles/depot-keys.ts'
import { lockfileRoutes } from './lockfiles/routes.ts'
import { trustedKeyRoutes } from './lockfiles/trusted-keys.ts'
import { mapRoutes } from './map.ts'
import { originGroupRoutes } from './origins/groups.ts'
import { invitationRoutes } from './origins/invitations.ts'
import { originKeyRoutes } from './origins/keys.ts'
import { originMemberRoutes } from './origins/members.ts'
import { originSecretKeyRoutes } from './origins/secret-keys.ts'
import { reservedNameRoutes } from './origins/reserved.ts'
import { originRoutes } from './origins/routes.ts'
import { packageRoutes } from './packages/routes.ts'
import { planRoutes } from './plans/routes.ts'
import { pollerRoutes } from './pollers/routes.ts'
import { promotionRoutes } from './promotions/routes.ts'
import { pinRoutes } from './retention/pins.ts'
import { retentionRoutes } from './retention/routes.ts'
import { ruleRoutes } from './retention/rules.ts'
import { markRoutes } from './releases/marks.ts'
import { releaseRoutes } from './releases/routes.ts'
import { whyRoutes } from './releases/why.ts'
import { packageFileRoutes } from './releases/upload.ts'
import { exchangeRoutes } from './signin/exchange.ts'
import { peopleRoutes } from './signin/people.ts'
import { exchangeRuleRoutes } from './signin/rules.ts'
import { stateRoutes } from './states/routes.ts'
import { storageRoutes } from './storage/routes.ts'
import { tokenRoutes } from './tokens/routes.ts'
import { upstreamRoutes } from './upstream/routes.ts'
import { versionRoutes } from './version/routes.ts'
import { previewRoutes } from './views/previews.ts'
import { viewRoutes } from './views/routes.ts'
import { webhookRoutes } from './webhooks/routes.ts'

/**
 * Adds the routes of `/api/v1`, the API of this depot beyond the Habitat protocol. `routes` collects all
 * routes.
 */
export async function apiRoutes(
  app: FastifyInstance,
  { context, routes }: { context: RouteContext; routes: readonly RouteOptions[] },
): Promise<void> {
  app.setErrorHandler(replyProblem)
  const methodsAt = collectMethods(app)
  const refuseUnrouted = (request: FastifyRequest, reply: FastifyReply) => {
    const [path = ''] = request.url.split('?', 1)
    const methods = methodsAt(path)
    if (methods.length === 0)
      return replyProblem(
        new DepotError('not_found', `there is nothing at ${request.method} ${path}`),
        request,
        reply,
      )
    reply.header('allow', methods.join(', '))
    return replyProblem(
      new DepotError('method_not_allowed', `${path} supports ${methods.join(', ')}, not ${request.method}`),
      request,
      reply,
    )
  }
  app.setNotFoundHandler(refuseUnrouted)
  // Refuses unknown routes before the body is read, because everyone may send a body.
  app.addHook('onRequest', (request, reply, done) => {
    if (request.is404) refuseUnrouted(request, reply)
    else done()
  })
  parseAnyTypeAsJson(app)
  app.setSerializerCompiler(() => (body) => `${JSON.stringify(body)}\n`) // so that the prompt of a shell starts on a new line
  app.addHook('preParsing', (request, _reply, payload, done) => {
    done(
      null,
      hasBody(request) && !isRead(request) && request.routeOptions.config.hasStreamedBody !== true
        ? incoming(payload, 'the body', context.depot.limits, (bytes) => request.bodies.take(request, bytes))
        : payload,
    )
  })
  app.addHook('onSend', async (request, reply) => {
    reply.header('x-request-id', request.id)
  })

  app.addHook('onSend', tagAnswers)

  mapRoutes(app, routes)
  viewRoutes(app, context)
  contentRoutes(app, context)
  latestRoutes(app, context)
  historyRoutes(app, context)
  eventRoutes(app, context)
  promotionRoutes(app, context)
  planRoutes(app, context)
  gateRoutes(app, context)
  previewRoutes(app, context)
  stateRoutes(app, context)
  releaseRoutes(app, context)
  whyRoutes(app, context)
  markRoutes(app, context)
  retentionRoutes(app, context)
  ruleRoutes(app, context)
  pinRoutes(app, context)
  packageFileRoutes(app, context)
  originRoutes(app, context)
  reservedNameRoutes(app, context)
  storageRoutes(app, context)
  originMemberRoutes(app, context)
  originGroupRoutes(app, context)
  originKeyRoutes(app, context)
  originSecretKeyRoutes(app, context)
  invitationRoutes(app, context)
  packageRoutes(app, context)
  changeRoutes(app, context)
  versionRoutes(app)
  webhookRoutes(app, context)
  accountRoutes(app, context)
  pollerRoutes(app, context)
  upstreamRoutes(app, context)
  tokenRoutes(app, context)
  exchangeRuleRoutes(app, context)
  exchangeRoutes(app, context)
  await peopleRoutes(app, context)
  depotKeyRoutes(app, context)
  trustedKeyRoutes(app, context)
  lockfileRoutes(app, context)
}

/** Reports whether the request is a GET or HEAD, whose body is never read. */
function isRead({ method }: FastifyRequest): boolean {
  return method === 'GET' || method === 'HEAD'
}

/**
 * Parses every body as JSON, whatever its type. `curl -d` labels every body as a form, and some clients send
 * a type without a body.
 */
function parseAnyTypeAsJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined)
    try {
      expectModest(body as Buffer, request.routeOptions.config.json ?? DEFAULT_JSON_LIMITS)
    } catch (error) {
      return done(
        error instanceof Error ? error : new Error('the body could not be checked', { cause: error }),
      )
    }
    void parse(request, body.toString(), done)
  })
}
