import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { DepotError } from '../../errors.ts'
import { replyProblem } from '../requests/error-reply.ts'
import { incoming } from '../../publishing/incoming.ts'
import { expectModest } from '../requests/json-limits.ts'
import { inTurns } from '../requests/in-turns.ts'
import { hasBody } from '../requests/request.ts'
import type { RouteContext } from '../requests/request.ts'
import { collectMethods } from './allowed-methods.ts'
import { DEFAULT_JSON_LIMITS } from './conventions/body-limits.ts'
import { tagAnswers } from './conventions/entity-tags.ts'
import { mapRoutes } from './map.ts'

type AddRoutes = (app: FastifyInstance, context: RouteContext) => void | Promise<void>

/** Each loads the routes of a resource. */
const RESOURCES: readonly (() => Promise<AddRoutes>)[] = [
  async () => (await import('./views/routes.ts')).viewRoutes,
  async () => (await import('./content/routes.ts')).contentRoutes,
  async () => (await import('./content/latest.ts')).latestRoutes,
  async () => (await import('./history/routes.ts')).historyRoutes,
  async () => (await import('./events/routes.ts')).eventRoutes,
  async () => (await import('./promotions/routes.ts')).promotionRoutes,
  async () => (await import('./plans/routes.ts')).planRoutes,
  async () => (await import('./gates/routes.ts')).gateRoutes,
  async () => (await import('./views/previews.ts')).previewRoutes,
  async () => (await import('./states/routes.ts')).stateRoutes,
  async () => (await import('./releases/routes.ts')).releaseRoutes,
  async () => (await import('./releases/why.ts')).whyRoutes,
  async () => (await import('./releases/marks.ts')).markRoutes,
  async () => (await import('./retention/routes.ts')).retentionRoutes,
  async () => (await import('./retention/rules.ts')).ruleRoutes,
  async () => (await import('./retention/pins.ts')).pinRoutes,
  async () => (await import('./releases/upload.ts')).packageFileRoutes,
  async () => (await import('./origins/routes.ts')).originRoutes,
  async () => (await import('./origins/reserved.ts')).reservedNameRoutes,
  async () => (await import('./storage/routes.ts')).storageRoutes,
  async () => (await import('./origins/members.ts')).originMemberRoutes,
  async () => (await import('./origins/groups.ts')).originGroupRoutes,
  async () => (await import('./origins/keys.ts')).originKeyRoutes,
  async () => (await import('./origins/secret-keys.ts')).originSecretKeyRoutes,
  async () => (await import('./origins/invitations.ts')).invitationRoutes,
  async () => (await import('./packages/routes.ts')).packageRoutes,
  async () => (await import('./changes/routes.ts')).changeRoutes,
  async () => (await import('./version/routes.ts')).versionRoutes,
  async () => (await import('./webhooks/routes.ts')).webhookRoutes,
  async () => (await import('./accounts/routes.ts')).accountRoutes,
  async () => (await import('./pollers/routes.ts')).pollerRoutes,
  async () => (await import('./upstream/routes.ts')).upstreamRoutes,
  async () => (await import('./tokens/routes.ts')).tokenRoutes,
  async () => (await import('./signin/rules.ts')).exchangeRuleRoutes,
  async () => (await import('./signin/exchange.ts')).exchangeRoutes,
  async () => (await import('./signin/people.ts')).peopleRoutes,
  async () => (await import('./lockfiles/depot-keys.ts')).depotKeyRoutes,
  async () => (await import('./lockfiles/trusted-keys.ts')).trustedKeyRoutes,
  async () => (await import('./lockfiles/routes.ts')).lockfileRoutes,
]

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
  await inTurns(
    RESOURCES.map((load) => async () => {
      const add = await load()
      await add(app, context)
    }),
  )
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
