import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { Depot } from '../depot/depot.ts'
import { readVersion } from '../package-root.ts'
import type { RequestSpan, Tracing } from '../tracing/open.ts'
import type { TraceSettings } from '../tracing/trace-settings.ts'
import { isPoll } from './requests/request.ts'
import type { AddHooks } from './requests/request.ts'

declare module 'fastify' {
  interface FastifyRequest {
    span: RequestSpan | undefined
  }
}

const PROBES: readonly (string | undefined)[] = ['/healthz', '/readyz', '/metrics']

/**
 * Adds hooks that make a span for each request, if traces are on. Tracing ends when the server closes. Polls
 * and probes get no spans, because they are frequent and all alike, and the metrics count them. The caller
 * must add other hooks later, so that the span contains their work.
 */
export async function traceRequests(app: FastifyInstance, { config, log }: Depot): Promise<AddHooks> {
  const { settings } = config.traces
  const tracing = settings && (await open(settings, log))
  if (tracing === undefined) return () => undefined
  app.addHook('onClose', () => tracing.close())
  return (scope) => addHooks(scope, tracing)
}

function addHooks(app: FastifyInstance, tracing: Tracing): void {
  app.decorateRequest('span', undefined)
  app.addHook('onRequest', (request, reply, done) => {
    if (isPoll(request) || PROBES.includes(request.routeOptions.url)) return done()
    const span = tracing.startRequest(nameOf(request), request.headers, {
      'http.request.method': request.method,
      'url.scheme': request.protocol,
      'url.path': request.url.split('?', 1)[0] ?? '',
      'hart_depot.request': request.id, // the id that log lines have
      ...(request.routeOptions.url !== undefined && { 'http.route': request.routeOptions.url }),
    })
    request.span = span
    reply.raw.once('close', () => {
      const status = reply.raw.statusCode
      span.end({ 'http.response.status_code': status }, status >= 500 ? status : undefined)
    })
    span.run(done)
  })
  // The body arrives in events of the connection, which run outside the span, so the handler enters it again.
  app.addHook('preHandler', ({ span }, _reply, done) => (span === undefined ? done() : span.run(done)))
}

/**
 * Opens tracing. Returns `undefined` with a warning in the log if the libraries of OpenTelemetry are missing,
 * because a checkout without its development packages must still start.
 */
async function open(settings: TraceSettings, log: Logger): Promise<Tracing | undefined> {
  try {
    const { openTracing } = await import('../tracing/open.ts')
    return await openTracing(settings, { version: readVersion(), log })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error
    log.warn(
      { err: error },
      'traces are off: npm ci --omit=dev leaves out the libraries of OpenTelemetry. The built package and the image have them',
    )
    return undefined
  }
}

/** Names a span after its route and not after its URL, so that there are few names. */
function nameOf({ method, routeOptions: { url } }: FastifyRequest): string {
  return url === undefined ? method : `${method} ${url}`
}
