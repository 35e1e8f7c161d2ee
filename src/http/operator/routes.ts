import type { FastifyInstance, RouteOptions } from 'fastify'
import { z } from 'zod'
import { named } from '../requests/described.ts'
import { shows } from '../requests/reading.ts'
import type { RouteContext } from '../requests/request.ts'
import type { MetricsText } from './metrics.ts'
import { PROBLEMS, checkReadiness } from './readiness.ts'
import { referenceRoutes } from './reference.ts'

const tags = ['operation']
const Readiness = named(
  'Readiness',
  z.object({
    ready: z.boolean(),
    database: z.string(),
    disk: z.string().describe('ok, or the reason why writes are refused; reads still work'),
    reasons: z
      .array(z.string())
      .describe('problems the operator should fix, one sentence each; empty if all is well'),
    problems: z
      .array(z.object({ code: z.enum(PROBLEMS), detail: z.string() }))
      .describe('the same problems, each with a name for programs'),
  }),
  { ready: true, database: 'ok', disk: 'ok', reasons: [], problems: [] },
)
const Alive = named('Alive', z.string().describe('the word ok'), 'ok\n')
const Metrics = named(
  'Metrics',
  z.string().describe('the text format of Prometheus'),
  'hart_depot_uploads_total 17\n',
)
const Description = named(
  'OpenApi',
  z.string().describe('an OpenAPI 3.1 document'),
  'openapi: 3.1.0\ninfo:\n  title: hart-depot\n',
)

/**
 * Routes for the operator's tools: health, readiness, metrics, openapi.yaml and the page that shows it.
 * openapi.yaml describes `allRoutes`.
 */
export async function operatorRoutes(
  app: FastifyInstance,
  {
    context: { depot },
    metricsText,
    allRoutes,
  }: {
    context: RouteContext
    metricsText: () => Promise<MetricsText>
    allRoutes: () => Promise<readonly RouteOptions[]>
  },
): Promise<void> {
  /**
   * openapi.yaml. It is generated at the first request, because loading the modules for it would slow down
   * each start.
   */
  let document: Promise<string> | undefined
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
    done()
  })

  app.get(
    '/healthz',
    {
      config: { ...shows('everyone').config, needsNoLease: true },
      schema: {
        operationId: 'isAlive',
        tags,
        summary: 'Answers while the process runs',
        description: 'For a liveness probe. Reads nothing.',

        response: plain('ok', Alive),
      },
    },
    (_request, reply) => reply.type('text/plain').send('ok\n'),
  )

  app.get(
    '/readyz',
    {
      config: { ...shows('everyone').config, needsNoLease: true },
      schema: {
        operationId: 'isReady',
        tags,
        summary: 'Tells whether the depot is ready for requests',
        description: 'For a readiness probe. Also lists what the operator should fix.',

        response: { 200: answer('ready', Readiness), 503: answer('not ready', Readiness) },
      },
    },
    async (_request, reply) => {
      const { isReady, database, disk, problems } = await checkReadiness(depot)
      const reasons = problems.map(({ detail }) => detail)
      return reply
        .code(isReady ? 200 : 503)
        .send({ ready: isReady, database, disk, reasons, problems: [...problems] })
    },
  )

  app.get(
    '/metrics',
    {
      config: { needsNoLease: true },
      schema: {
        operationId: 'getMetrics',
        tags,
        summary: 'Shows metrics for Prometheus',
        description: 'In the text format of Prometheus. Counters of all threads are added up.',

        response: plain('metrics', Metrics),
      },
    },
    async (request, reply) => {
      request.isVital = true
      const { type, body } = await metricsText()
      return reply.type(type).send(body)
    },
  )

  app.get(
    '/openapi.yaml',
    {
      ...shows('every-token'),
      schema: {
        operationId: 'getOpenApi',
        tags,
        summary: 'Downloads this document',
        description: 'OpenAPI 3.1, as YAML.',

        response: {
          200: { description: 'OpenAPI 3.1', content: { 'application/yaml': { schema: Description } } },
        },
      },
    },
    async (_request, reply) => {
      document ??= import('./openapi.ts').then(async ({ writeOpenApi }) => writeOpenApi(await allRoutes()))
      return reply.type('application/yaml').send(await document)
    },
  )

  referenceRoutes(app)
}

function answer(description: string, schema: z.ZodType) {
  return { description, content: { 'application/json': { schema } } }
}

function plain(description: string, schema: z.ZodType) {
  return { 200: { description, content: { 'text/plain': { schema } } } }
}
