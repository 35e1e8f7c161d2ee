import type { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { Logger } from 'pino'
import { AddressLimit } from '../accounts/address-limit.ts'
import { Answers } from '../answers/answers.ts'
import { BlobStream } from '../blobs/storage.ts'
import type { Depot } from '../depot/open.ts'
import { DepotError } from '../errors.ts'
import { Feed } from '../following/feed.ts'
import { VisiblePages } from '../following/visible-pages.ts'
import { Webhooks } from '../delivery/webhooks.ts'
import { Mirror } from '../upstream/mirror.ts'
import { Refresher } from '../upstream/refresher.ts'
import { Upstream } from '../upstream/upstream.ts'
import type { DeliveryOptions } from '../delivery/webhooks.ts'
import { DEFAULT_MAX_BODY_BYTES } from './api/conventions/body-limits.ts'
import { apiRoutes } from './api/routes.ts'
import { habitatRoutes } from './habitat/routes.ts'
import { FastPath } from './habitat/polls/fast-path.ts'
import { replyHabitat, replyProblem } from './requests/error-reply.ts'
import { sendContinueOnRead, closeGently } from './requests/drain.ts'
import { UNDER_WAY, answerOneAtATime } from './requests/one-at-a-time.ts'
import { maxConnections } from './requests/descriptors.ts'
import { answerHead } from './requests/head.ts'
import { limitConnections } from './requests/limit-connections.ts'
import { PendingAnswers } from './requests/pending-answers.ts'
import { Pollers, makeSeed, mergeCounts } from '../pollers/pollers.ts'
import type { PollCounts } from '../pollers/pollers.ts'
import { ReceivedBodies } from './requests/received-bodies.ts'
import { operatorRoutes } from './operator/routes.ts'
import { DepotMetrics } from './operator/metrics.ts'
import { RequestMetrics } from './operator/request-metrics.ts'
import type { MetricsJson } from './operator/request-metrics.ts'
import { admit } from './requests/reading.ts'
import { hasBody, isPoll } from './requests/request.ts'
import { pathOf, proxyTrust, publicPathOf, withoutPath } from './requests/public-path.ts'
import type { ProxyTrust } from './requests/public-path.ts'
import type { RouteContext } from './requests/request.ts'
import { validate } from './requests/validate.ts'
import { logPoll, logRequest, requestIds } from './request-log.ts'
import { traceRequests } from './request-spans.ts'
import { closeConnectionsWhenStopping } from './stop.ts'
import { storeDenials } from './store-denials.ts'
import { storeTokenUses } from './store-token-uses.ts'
import type { SharedServices, Workers } from './workers.ts'
import { renderPackage, renderPackageBriefly } from './habitat/packages/shapes.ts'

import fastify, { LogController } from 'fastify'

const MAX_PARAMETER_LENGTH = 2_048
/**
 * Smaller answers are not counted: each connection has only one answer at a time, and the number of
 * connections is limited.
 */
const COUNTED_FROM_BYTES = 4 * 1024
const RETRY_AFTER_SECONDS = 5
const MAX_CLOSE_MS = 2_000
const CONNECTION_STATUS: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
}

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
  const upstream = await Upstream.open(depot)
  const refresher = await Refresher.open(depot)
  const mirror = await Mirror.open(depot, upstream, refresher)
  const requests = new RequestMetrics(caches)
  const pollers = makePollers(depot, pollerSeed)
  const pollCounts = async () => mergeCounts([pollers.counts(), ...((await workers?.pollCounts()) ?? [])])
  const metrics = new DepotMetrics(depot, {
    webhooks,
    upstream,
    pollCounts,
    ofThreads: async () => [await requests.toJson(), ...((await workers?.metricsJson()) ?? [])],
  })
  const services = { webhooks, upstream, refresher, mirror, pollCounts, metricsText: () => metrics.text() }
  workers?.provide(services)
  const context = { depot, ...caches, ...services, pollers, trustsProxy: trustOf(depot) }
  const app = await assemble(context, services, requests)
  app.addHook('onListen', async () => {
    refresher?.start()
    mirror?.start()
  })
  app.addHook('preClose', async () => void workers?.stop())
  app.addHook('onClose', async () => {
    await workers?.stop()
    await refresher?.close()
    // The mirror waits for its fetches, which `upstream` ends.
    await Promise.all([mirror?.close(), upstream?.close()])
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
  const { db, follower } = depot
  const answers = await follower.openSubscriber('answers', () =>
    Answers.open(db, { whole: renderPackage, brief: renderPackageBriefly }),
  )
  const feed = await follower.openSubscriber('feed', (head) => Feed.open(db, head))
  const { pendingBytes, bodyBytes, slowAfterMs } = depot.limits
  const pending = new PendingAnswers({ maxBytes: pendingBytes / depot.config.workers, slowAfterMs })
  const bodies = new ReceivedBodies({ maxBytes: bodyBytes / depot.config.workers })
  return { answers, feed, pages: new VisiblePages(depot.db, feed), pending, bodies }
}

/** Builds a server with all hooks and routes. Hooks run in the order in which they are added. */
async function assemble(
  context: RouteContext,
  { metricsText }: SharedServices,
  metrics: RequestMetrics,
): Promise<FastifyInstance> {
  const { depot, feed } = context
  const nextId = requestIds()
  const app = createApp(depot, nextId)
  closeConnectionsWhenStopping(app)
  app.addHook('preClose', async () => feed.close()) // answers all waiting requests
  await traceRequests(app, depot)
  decorateRequests(app, context)
  addRequestHooks(app, context, metrics)
  addAnswerHooks(app, context, metrics)
  storeTokenUses(app, depot)
  storeDenials(app, depot, metrics)
  sendContinueOnRead(app.server)
  answerOneAtATime(app.server)
  if (depot.config.hasFastPath) addFastPath(app, context, { nextId, metrics })
  guardConnections(app, depot, metrics) // last, because it also limits the connections of the fast path
  // Only the routes registered below read bodies, so a request without a route never has its body read.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _body, done) => done(null))
  app.setErrorHandler(replyProblem)
  app.setNotFoundHandler((_request, reply) => reply.code(404).send())

  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => {
    routes.push({ ...route })
    if (route.method === 'GET') answerHead(route)
  })
  await app.register(habitatRoutes, { prefix: '/v1', context })
  await app.register(apiRoutes, { prefix: '/api/v1', context, routes })
  await app.register(operatorRoutes, { context, metricsText, routes })
  return app
}

function createApp({ config, limits, log }: Depot, nextId: () => string): FastifyInstance {
  const loggerInstance: FastifyBaseLogger = log
  const publicPath = pathOf(config.publicUrl)
  const app = fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: nextId,
    childLoggerFactory: (logger) => logger, // a logger per request costs more than answering a poll
    trustProxy: config.trustProxy === false ? false : proxyTrust(config.trustProxy),
    ...(publicPath !== '' && {
      rewriteUrl: ({ url = '/' }: IncomingMessage) => withoutPath(url, publicPath),
    }),
    bodyLimit: DEFAULT_MAX_BODY_BYTES,
    forceCloseConnections: 'idle',
    http: { headersTimeout: limits.headMs, connectionsCheckingInterval: limits.headMs / 2 },
    clientErrorHandler: (error, socket) => refuseConnection(log, error, socket),
    // Handles URLs that cannot be decoded. They reach no hook and no route.
    frameworkErrors(error, request, reply) {
      closeIfSending(request, reply)
      if (request.url.startsWith('/api/')) replyProblem(error, request, reply)
      else replyHabitat(error, request, reply)
      logRequest(log, request, reply)
    },
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH, ignoreTrailingSlash: true },
    exposeHeadRoutes: false, // answerHead instead
    // Keeps fastify from loading its own compilers, which are a tenth of all modules.
    schemaController: { compilersFactory: { buildValidator: notBuilt, buildSerializer: notBuilt } },
  })
  app.setValidatorCompiler(validate)
  app.setSerializerCompiler(() => JSON.stringify) // response schemas serve only openapi.yaml and TypeScript
  return app
}

/**
 * Declares the fields that hooks and routes add to requests. Declared fields keep the shape of all requests
 * the same.
 */
function decorateRequests(app: FastifyInstance, { depot, bodies, trustsProxy }: RouteContext): void {
  const publicPath = pathOf(depot.config.publicUrl)
  app.decorateRequest('caller', undefined)
  app.decorateRequest('refusal', undefined)
  app.decorateRequest('refusalCode', undefined)
  app.decorateRequest('subject', undefined)
  app.decorateRequest('isLoggedElsewhere', false)
  app.decorateRequest('isHeld', false)
  app.decorateRequest('isVital', false)
  app.decorateRequest('isBeyondViews', false)
  app.decorateRequest('lacksDescriptors', false)
  app.decorateRequest('bodies', {
    getter() {
      return bodies
    },
  })
  app.decorateRequest('publicPath', {
    getter(this: FastifyRequest) {
      return publicPathOf(this, publicPath, trustsProxy)
    },
  })
}

/**
 * Adds the hooks that run before a route. They read missed commits, refuse requests with two Host headers,
 * identify the caller, and refuse callers who may not read what the route shows.
 */
function addRequestHooks(app: FastifyInstance, context: RouteContext, metrics: RequestMetrics): void {
  const { depot, pollers } = context
  const guesses = new AddressLimit(depot.now, {
    // Only wrong tokens count: a whole site may share one address.
    what: 'requests with a wrong token',
    perMinute: depot.limits.wrongTokensPerMinute,
  })
  const identify = async (request: FastifyRequest, authorization: string) => {
    try {
      request.caller = await depot.authenticator.identify(authorization)
    } catch (error) {
      if (!(error instanceof DepotError && error.code === 'unauthenticated')) throw error
      const limited = guesses.count(request.ip)
      metrics.recordWrongToken(limited === undefined ? 'refused' : 'limited')
      if (isPoll(request)) pollers.countRefused(request.ip)
      throw limited ?? error
    }
  }
  app.addHook('onRequest', (_request, _reply, done) => {
    const behind = depot.follower.catchUp()
    return behind === undefined ? done() : behind
  })
  app.addHook('onRequest', (request, _reply, done) => {
    if (hasTwoHosts(request.raw.rawHeaders))
      return done(new DepotError('invalid_request', 'the request has more than one Host header'))
    const { authorization } = request.headers
    if (authorization === undefined) return done()
    return identify(request, authorization)
  })
  app.addHook('onRequest', (request, _reply, done) => {
    try {
      return admit(request, context) ?? done()
    } catch (error) {
      if (request.caller === undefined && isPoll(request)) pollers.countRefused(request.ip)
      throw error
    }
  })
}

/**
 * Adds the hooks that run before and after an answer is sent. They limit the memory of unread answers, count
 * the request and log it.
 */
function addAnswerHooks(
  app: FastifyInstance,
  { depot, bodies, pending }: RouteContext,
  metrics: RequestMetrics,
): void {
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
  app.addHook('onResponse', (request, reply, done) => {
    metrics.recordRequest(request, reply)
    logRequest(depot.log, request, reply)
    done()
  })
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

/**
 * Refuses a connection whose request is not valid HTTP or is too slow. If an answer has already begun, the
 * depot sends it to its end and sends no refusal, which the client would take for a part of that answer.
 */
function refuseConnection(
  log: Logger,
  error: Error & { code?: string },
  socket: Socket & { [UNDER_WAY]?: ServerResponse | null },
): void {
  if (!socket.writable) return
  const begun = socket[UNDER_WAY]
  if (begun?.headersSent === true) return void begun.once('finish', () => socket.destroySoon())
  const status = CONNECTION_STATUS[error.code ?? ''] ?? '400 Bad Request'
  log.info(
    { status: Number.parseInt(status, 10), refusal: `${error.code ?? ''}: ${error.message}` },
    'connection',
  )
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  setTimeout(() => socket.destroy(), MAX_CLOSE_MS).unref()
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

/** Stands in for compilers of fastify that are never used. */
function notBuilt(): never {
  throw new Error('the compilers of schemas are set when the server is built')
}

/**
 * Reports whether a request has two Host headers, for which RFC 9112 3.2 requires 400. node:http silently
 * keeps the first.
 */
function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === 'host'.length && name.toLowerCase() === 'host') count += 1
  }
  return count > 1
}

/** Lets a client that still sends its body receive the answer, after which the connection is closed. */
function closeIfSending(request: FastifyRequest, reply: FastifyReply): void {
  const { complete } = request.raw as { complete?: boolean } // absent from injected requests
  // A request without a body counts as incomplete when its answer is sent at once.
  if (complete !== false || !hasBody(request)) return
  reply.header('connection', 'close')
  closeGently(request.raw)
}
