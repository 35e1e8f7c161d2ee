import type { FastifyInstance, RouteOptions } from 'fastify'
import { Answers } from '../answers/answers.ts'
import { Webhooks } from '../delivery/webhooks.ts'
import type { DeliveryOptions } from '../delivery/webhooks.ts'
import type { Depot } from '../depot/depot.ts'
import { Feed } from '../following/feed.ts'
import { VisiblePages } from '../following/visible-pages.ts'
import { Pollers, makeSeed, mergeCounts } from '../pollers/pollers.ts'
import type { PollCounts } from '../pollers/pollers.ts'
import { openUpstream } from '../upstream/open.ts'
import { addAnswerHooks, addSendHook } from './answer-hooks.ts'
import { createApp, optionsOfServer } from './create-app.ts'
import { renderPackage, renderPackageBriefly } from './habitat/packages/shapes.ts'
import { FastPath } from './habitat/polls/fast-path.ts'
import { DepotMetrics } from './operator/metrics.ts'
import { RequestMetrics } from './operator/request-metrics.ts'
import type { MetricsJson } from './operator/request-metrics.ts'
import { mountPage } from './page/mount.ts'
import { operatorRoutes } from './operator/routes.ts'
import { LazyRoutes } from './lazy-routes.ts'
import { logPoll, requestIds } from './request-log.ts'
import { addRequestHooks, decorateRequests, guessesOf } from './request-hooks.ts'
import { traceRequests } from './request-spans.ts'
import { replyNoRoute } from './requests/error-reply.ts'
import { maxConnections } from './requests/descriptors.ts'
import { sendContinueOnRead } from './requests/drain.ts'
import { answerHead } from './requests/head.ts'
import { limitConnections } from './requests/limit-connections.ts'
import { answerOneAtATime } from './requests/one-at-a-time.ts'
import { PendingAnswers } from './requests/pending-answers.ts'
import { proxyTrust } from './requests/public-path.ts'
import type { ProxyTrust } from './requests/public-path.ts'
import { ReceivedBodies } from './requests/received-bodies.ts'
import type { AddHooks, RouteContext } from './requests/request.ts'
import { closeConnectionsWhenStopping } from './stop.ts'
import { storeDenials } from './store-denials.ts'
import { storeTokenUses } from './store-token-uses.ts'
import type { SharedServices, Workers } from './workers.ts'

/** Loads what takes longest among the modules of habitat/routes.ts, in pieces. */
const PARTS_OF_HABITAT: readonly (() => Promise<unknown>)[] = [
  () => import('../publishing/receive.ts'),
  () => import('../publishing/publish.ts'),
  () => import('./requests/package-body.ts'),
  () => import('./habitat/packages/routes.ts'),
  () => import('./habitat/channels/routes.ts'),
  () => import('./habitat/accounts/profile.ts'),
  () => import('./habitat/origins/secrets.ts'),
  () => import('./habitat/views/routes.ts'),
]

interface ServerOptions {
  /** Replacements for parts of webhook delivery, for tests. */
  readonly webhooks?: Partial<DeliveryOptions>
  /** The other threads that answer requests. They end with this server, and its metrics include theirs. */
  readonly workers?: Workers
  /** The seed of the estimates of pollers, for tests; by default a random one. */
  readonly pollerSeed?: number
}

/**
 * Builds the HTTP server of a depot. It does not listen yet, but delivers webhooks until it is closed.
 * Closing it waits for requests in flight. The depot stays open.
 */
export async function buildServer(
  depot: Depot,
  { webhooks: deliveryOptions, workers, pollerSeed = workers?.pollerSeed ?? makeSeed() }: ServerOptions = {},
): Promise<FastifyInstance> {
  const caches = await openCaches(depot)
  const webhooks = await depot.follower.openSubscriber('webhooks', () =>
    Webhooks.open(depot, deliveryOptions),
  )
  const opened = await openUpstream(depot)
  const requests = new RequestMetrics(caches)
  const pollers = makePollers(depot, pollerSeed)
  const pollCounts = async () => mergeCounts([pollers.counts(), ...((await workers?.pollCounts()) ?? [])])
  const metrics = new DepotMetrics(depot, {
    webhooks,
    upstream: opened,
    pollCounts,
    ofThreads: async () => [await requests.toJson(), ...((await workers?.metricsJson()) ?? [])],
  })
  const services = {
    webhooks,
    upstream: opened?.upstream,
    refresher: opened?.refresher,
    mirror: opened?.mirror,
    pollCounts,
    metricsText: () => metrics.text(),
  }
  workers?.provide(services)
  const context = { depot, ...caches, ...services, pollers, trustsProxy: trustOf(depot) }
  const app = await assemble(context, services, requests)
  app.addHook('onListen', async () => opened?.start())
  app.addHook('preClose', async () => void workers?.stop())
  app.addHook('onClose', async () => {
    await workers?.stop()
    await opened?.close()
    await webhooks.close() // last, because requests in flight may still commit entries to deliver
  })
  depot.readInThreads()
  return app
}

/** Builds the HTTP server of a worker thread, like {@link buildServer}. */
export async function buildWorkerServer(
  depot: Depot,
  services: SharedServices,
  pollerSeed: number,
): Promise<{
  app: FastifyInstance
  metricsJson: () => Promise<MetricsJson>
  pollCounts: () => PollCounts
}> {
  const caches = await openCaches(depot)
  const requests = new RequestMetrics(caches)
  const pollers = makePollers(depot, pollerSeed)
  const context = { depot, ...caches, ...services, pollers, trustsProxy: trustOf(depot) }
  const app = await assemble(context, services, requests)
  depot.readInThreads()
  return { app, metricsJson: () => requests.toJson(), pollCounts: () => pollers.counts() }
}

function makePollers({ config, now }: Depot, seed: number): Pollers {
  return new Pollers({ now, seed, isCounting: config.countsPollers })
}

function trustOf({ config }: Depot): ProxyTrust {
  return proxyTrust(config.trustProxy)
}

/** Opens the objects that a thread keeps in memory, so that it does not have to read the database. */
async function openCaches(
  depot: Depot,
): Promise<Pick<RouteContext, 'answers' | 'feed' | 'pages' | 'pending' | 'bodies'>> {
  const { db, promptDb, follower } = depot
  const answers = await follower.openSubscriber('answers', () =>
    Answers.open(promptDb, { whole: renderPackage, brief: renderPackageBriefly }),
  )
  const feed = await follower.openSubscriber('feed', (head) => Feed.open(db, head))
  const { pendingBytes, bodyBytes, slowAfterMs } = depot.limits
  const pending = new PendingAnswers({ maxBytes: pendingBytes / depot.config.workers, slowAfterMs })
  const bodies = new ReceivedBodies({ maxBytes: bodyBytes / depot.config.workers })
  return { answers, feed, pages: new VisiblePages(depot.db, feed), pending, bodies }
}

/** Builds a server with all hooks and routes. Most routes load when they are first used. */
async function assemble(
  context: RouteContext,
  { metricsText }: SharedServices,
  metrics: RequestMetrics,
): Promise<FastifyInstance> {
  const { depot, feed } = context
  const nextId = requestIds()
  const app = createApp(depot, nextId, optionsOfServer(depot))
  const addHooks = await hooksOfRequests(app, context, metrics)
  app.addHook('preClose', async () => feed.close()) // answers all waiting requests
  sendContinueOnRead(app.server)
  answerOneAtATime(app.server)
  if (depot.config.hasFastPath) addFastPath(app, context, { nextId, metrics })
  guardConnections(app, depot, metrics) // last, because it also limits the connections of the fast path

  const routes: RouteOptions[] = []
  const prepare = (scope: FastifyInstance) => {
    scope.addHook('onRoute', (route) => {
      routes.push({ ...route })
      if (route.method === 'GET') answerHead(route)
    })
    addHooks(scope)
    return scope
  }
  const habitat = new LazyRoutes(app, '/v1', async () => {
    const { inTurns } = await import('./requests/in-turns.ts')
    await inTurns(PARTS_OF_HABITAT)
    const { habitatRoutes } = await import('./habitat/routes.ts')
    const lazy = prepare(createApp(depot, nextId))
    await lazy.register(habitatRoutes, { prefix: '/v1', context })
    return lazy
  })
  const api = new LazyRoutes(app, '/api', async () => {
    const { apiRoutes } = await import('./api/routes.ts')
    const lazy = prepare(createApp(depot, nextId))
    await lazy.register(apiRoutes, { prefix: '/api/v1', context, routes })
    return lazy
  })
  const allRoutes = async () => {
    await Promise.all([habitat.load(), api.load()])
    return routes
  }
  // The hooks are those of a scope, so that they do not run for requests that are passed on.
  await app.register(async (scope) => {
    prepare(scope).setNotFoundHandler(replyNoRoute)
    await scope.register(operatorRoutes, { context, metricsText, allRoutes })
    mountPage(scope, context, (page) => addSendHook(page, context))
  })
  return app
}

/**
 * Returns a function that adds the hooks of all requests to a scope. What the hooks share between scopes ends
 * when `server` closes. Hooks run in the order in which they are added.
 */
async function hooksOfRequests(
  server: FastifyInstance,
  context: RouteContext,
  metrics: RequestMetrics,
): Promise<AddHooks> {
  const { depot } = context
  const guesses = guessesOf(depot)
  const adders: readonly AddHooks[] = [
    closeConnectionsWhenStopping(server),
    await traceRequests(server, depot),
    (scope) => decorateRequests(scope, context),
    (scope) => addRequestHooks(scope, context, { metrics, guesses }),
    (scope) => addAnswerHooks(scope, context, metrics),
    storeDenials(server, depot, metrics),
  ]
  storeTokenUses(server, depot)
  return (scope) => {
    for (const add of adders) add(scope)
  }
}

function addFastPath(
  app: FastifyInstance,
  context: RouteContext,
  { nextId, metrics }: { nextId: () => string; metrics: RequestMetrics },
): void {
  const { log } = context.depot
  const isLogged = log.isLevelEnabled('debug')
  const fastPath = new FastPath(app.server, context, (answer) => {
    metrics.recordPoll(answer)
    if (isLogged) logPoll(log, nextId(), answer)
  })
  app.addHook('preClose', async () => fastPath.stop())
}

function guardConnections(app: FastifyInstance, depot: Depot, metrics: RequestMetrics): void {
  limitConnections(
    app.server,
    () => depot.limits.maxConnections ?? maxConnections(depot.config.workers),
    () => metrics.recordRefusedConnection(),
  )
  // Logs failures to accept a connection. Without a listener, they would end the process.
  app.server.once('listening', () =>
    app.server.on('error', (error) => depot.log.error({ err: error }, 'a connection could not be accepted')),
  )
}
