import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import cookie from '@fastify/cookie'
import formbody from '@fastify/formbody'
import helmet from '@fastify/helmet'
import fastify, { LogController } from 'fastify'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { mayReadEverything } from '../../access/anonymous-reading.ts'
import { DepotError } from '../../errors.ts'
import { incoming } from '../../publishing/incoming.ts'
import { describeProblem } from '../requests/error-reply.ts'
import { answerHead } from '../requests/head.ts'
import { proxyTrust } from '../requests/public-path.ts'
import { hasBody } from '../requests/request.ts'
import type { AddHooks, RouteContext } from '../requests/request.ts'
import { SingleSignOn } from '../requests/single-sign-on.ts'
import { MAX_PARAMETER_LENGTH, WITHOUT_COMPILERS, validate } from '../requests/validate.ts'
import { activityRoutes } from './activity/routes.ts'
import { administrationRoutes } from './administration/routes.ts'
import { assetRoutes, encodingOf } from './assets/assets.ts'
import type { AssetPaths } from './assets/assets.ts'
import { changeRoutes } from './changes/routes.ts'
import { depotUrl } from './html/depot-url.ts'
import { errorContent } from './html/error-page.ts'
import type { PageFault } from './html/error-page.ts'
import { layout } from './html/layout.ts'
import type { Content } from './html/layout.ts'
import type { RefusedForm } from './html/refused-form.ts'
import type { Visit } from './html/visit.ts'
import { liveRoutes } from './live/routes.ts'
import { markRoutes } from './package/mark-routes.ts'
import { packageRoutes } from './package/routes.ts'
import { pipelineRoutes } from './pipeline/routes.ts'
import { planRoutes } from './plans/routes.ts'
import { searchRoutes } from './search/routes.ts'
import { expectOwnForm, makeFormToken } from './sessions/forms.ts'
import { clearSessionCookie, formCookie, openPageSession } from './sessions/session.ts'
import { signInRoutes } from './sign-in/routes.ts'
import { compareRoutes } from './view/compare-routes.ts'
import { viewListRoutes } from './view/list-routes.ts'
import { ruleRoutes } from './view/rule-routes.ts'
import { viewRoutes } from './view/routes.ts'
import { settingsRoutes } from './view/settings-routes.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Whether the browser reached the depot over TLS. */
    readonly isSecure: boolean
    /** What templates know of this request. */
    readonly visit: Visit
    /** The cookie of the session, if the browser is signed in. */
    pageCookie: string | undefined
    /** The cookie that this answer gives to a browser without a session. */
    visitorCookie: string | undefined
    /** Whether the browser has the cookie of a session that has ended. */
    hasEnded: boolean
    /** The fields of a form of this depot, as they were sent. */
    sentFields: Readonly<Record<string, unknown>> | undefined
    refusedForm: RefusedForm | undefined
    /** The number of entries that the ledger had when the request came. */
    sequence: number
  }
  interface FastifyReply {
    /** Sends a page. */
    page(content: Content): FastifyReply
  }
  interface FastifyContextConfig {
    /** Whether everyone may see the page: it shows nothing of the depot, like the form for signing in. */
    readonly isOpen?: boolean
    /** Sends the page with the form of this route. It is called when the form was refused. */
    readonly showForm?: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>
  }
}

/** The fields of a request that belong to the request of the main server, which logs and counts it. */
const FIELDS_OF_MAIN = [
  'caller',
  'refusal',
  'refusalCode',
  'subject',
  'isLoggedElsewhere',
  'isHeld',
  'isVital',
  'isBeyondViews',
  'lacksDescriptors',
  'publicPath',
  'bodies',
] as const
const MAX_BODY_BYTES = 1024 * 1024
/** Shorter pages are sent as they are. */
const COMPRESSED_FROM_LENGTH = 2_048
/** Needs a quarter of the time of the usual level, and a quarter more bytes. */
const GZIP_LEVEL = 3

/** The server of the page. It does not listen: the main server gives it requests. */
export interface PageServer {
  /** Answers a request of the main server. */
  answer(request: FastifyRequest, reply: FastifyReply): FastifyReply
  close(): Promise<void>
}

/** The requests of the main server that the page answers, by the request of node:http. */
const MAIN_REQUESTS = new WeakMap<object, FastifyRequest>()

/** Returns the request of the main server that the page answers. */
function mainRequestOf({ raw }: Pick<FastifyRequest, 'raw'>): FastifyRequest {
  const request = MAIN_REQUESTS.get(raw)
  if (request === undefined) throw new Error('the page got a request from elsewhere')
  return request
}

/** Builds the server of the page. */
export async function openPage(context: RouteContext, prepare: AddHooks): Promise<PageServer> {
  const { depot } = context
  const { config } = depot
  const loggerInstance: FastifyBaseLogger = depot.log
  const page = fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: (raw) => mainRequestOf({ raw }).id,
    childLoggerFactory: (logger) => logger,
    bodyLimit: MAX_BODY_BYTES,
    trustProxy: config.trustProxy === false ? false : proxyTrust(config.trustProxy),
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH, ignoreTrailingSlash: true },
    schemaController: WITHOUT_COMPILERS,
  })
  page.setValidatorCompiler(validate)
  for (const field of FIELDS_OF_MAIN)
    page.decorateRequest(field, {
      getter(this: FastifyRequest) {
        return mainRequestOf(this)[field] as never
      },
      setter(this: FastifyRequest, value: unknown) {
        Object.assign(mainRequestOf(this), { [field]: value })
      },
    })
  prepare(page)
  page.addHook('onRoute', (route) => {
    if (route.method === 'GET') answerHead(route)
  })
  await page.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    crossOriginResourcePolicy: { policy: 'same-origin' },
    // With no-referrer, browsers would send forms without their origin.
    referrerPolicy: { policy: 'same-origin' },
    // The proxy that ends TLS decides for its whole host.
    strictTransportSecurity: false,
  })
  await page.register(cookie)
  const assets = await assetRoutes(page)
  await page.register(async (pages) => {
    await pages.register(formbody, { bodyLimit: MAX_BODY_BYTES })
    addPageHooks(pages, context, assets)
    const signOn = await SingleSignOn.open(depot)
    signInRoutes(pages, context, signOn)
    liveRoutes(pages, context)
    pipelineRoutes(pages, context)
    viewListRoutes(pages, context)
    viewRoutes(pages, context)
    ruleRoutes(pages, context)
    settingsRoutes(pages, context)
    compareRoutes(pages, context)
    packageRoutes(pages, context)
    markRoutes(pages, context)
    activityRoutes(pages, context)
    changeRoutes(pages, context)
    searchRoutes(pages, context)
    planRoutes(pages, context)
    administrationRoutes(pages, context)
  })
  await page.ready()
  return {
    answer: (request, reply) => {
      reply.hijack()
      MAIN_REQUESTS.set(request.raw, request)
      page.routing(request.raw, reply.raw)
      return reply
    },
    close: () => page.close(),
  }
}

/** Adds the session, the look and the errors of pages. */
function addPageHooks(pages: FastifyInstance, { depot, feed }: RouteContext, assets: AssetPaths): void {
  const { config, now } = depot
  pages.decorateRequest('pageCookie', undefined)
  pages.decorateRequest('visitorCookie', undefined)
  pages.decorateRequest('hasEnded', false)
  pages.decorateRequest('sentFields', undefined)
  pages.decorateRequest('refusedForm', undefined)
  pages.decorateRequest('sequence', 0)
  pages.decorateRequest('isSecure', {
    getter(this: FastifyRequest) {
      return depotUrl(this, config).startsWith('https:')
    },
  })
  pages.decorateRequest('visit', {
    getter(this: FastifyRequest): Visit {
      const { caller, sequence, publicPath, url } = this
      const formed = formCookie(this)
      return {
        depotUrl: depotUrl(this, config),
        path: url,
        now: now(),
        sequence,
        caller,
        refused: this.refusedForm,
        formToken: formed === undefined ? undefined : makeFormToken(formed),
        to: (path) => `${publicPath}${path}`,
      }
    },
  })
  pages.decorateReply('page', function page(this: FastifyReply, content: Content) {
    return this.type('text/html; charset=utf-8').send(layout(this.request.visit, assets, content))
  })
  // Compresses in the thread pool. The token of a form differs each time, so lengths tell nothing about it.
  pages.addHook('onSend', async (request, reply, payload) => {
    const isWorthIt = typeof payload === 'string' && payload.length >= COMPRESSED_FROM_LENGTH
    if (!isWorthIt || encodingOf(request.headers['accept-encoding']) === 'plain') return payload
    reply.header('content-encoding', 'gzip')
    return promisify(gzip)(payload, { level: GZIP_LEVEL })
  })
  pages.addHook('onRequest', async (request, reply) => {
    // A token in the Authorization header signs in to the API alone.
    request.caller = undefined
    request.sequence = feed.head.sequence
    reply.headers({ 'cache-control': 'no-store', vary: 'accept, accept-encoding, cookie' })
    const found = await openPageSession(request, depot)
    if (found === 'ended') {
      request.hasEnded = true
      clearSessionCookie(request, reply)
    } else if (found !== 'none') {
      request.caller = found.caller
      request.pageCookie = found.cookie
    }
    const { config: route } = request.routeOptions
    if (request.caller === undefined && route.isOpen !== true && !mayReadEverything(config.anonymous))
      throw new DepotError('unauthenticated', 'this depot shows its content only to people who are signed in')
  })
  pages.addHook('preParsing', (request, _reply, payload, done) => {
    done(
      null,
      hasBody(request)
        ? incoming(payload, 'the form', depot.limits, (bytes) => request.bodies.take(request, bytes))
        : payload,
    )
  })
  pages.addHook('preValidation', async (request) => {
    if (request.method !== 'POST') return
    expectOwnForm(request, config)
    request.sentFields = request.body as Record<string, unknown>
  })
  pages.setErrorHandler(async (error, request, reply) => {
    const fault = describeProblem(error, request, reply)
    if (fault.status === 401 && request.method === 'GET') {
      const to = request.visit.path === '/' ? '' : `?to=${encodeURIComponent(request.visit.path)}`
      return reply.redirect(request.visit.to(`/sign-in${to}`), 303)
    }
    reply.code(fault.status)
    const shown = isAboutAddress(error) ? undefined : await showRefusedForm(request, reply, fault)
    return shown ?? reply.page(errorContent(request.visit, { ...fault, request: request.id }))
  })
  pages.setNotFoundHandler((request) => {
    throw new DepotError('not_found', `the page has nothing at ${request.url.split('?', 1)[0]}`)
  })
}

/** Reports whether an error refuses the path or the query of a request: there is no page with its form. */
function isAboutAddress(error: unknown): boolean {
  return (
    error instanceof Error &&
    'validationContext' in error &&
    (error.validationContext === 'params' || error.validationContext === 'querystring')
  )
}

/**
 * Shows the form of a request again, with what was typed and why it was refused. Returns `undefined` if there
 * is no form to show, for example because the caller may not see its page any more.
 */
async function showRefusedForm(
  request: FastifyRequest,
  reply: FastifyReply,
  { status, detail, parts }: Pick<PageFault, 'status' | 'detail' | 'parts'>,
): Promise<FastifyReply | undefined> {
  const { sentFields: values, routeOptions } = request
  const { showForm } = routeOptions.config
  if (showForm === undefined || values === undefined || status === 401 || status === 500) return undefined
  const { refusal, refusalCode } = request
  request.refusedForm = { path: request.url, values, detail, parts, isShown: false }
  try {
    return await showForm(request, reply)
  } catch (error) {
    if (!(error instanceof DepotError)) describeProblem(error, request, reply) // logs it
    request.refusedForm = undefined
    return undefined
  } finally {
    Object.assign(request, { refusal, refusalCode }) // those of the form, for the log
  }
}
