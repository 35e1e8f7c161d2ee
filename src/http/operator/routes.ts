import type { FastifyInstance, RouteOptions } from 'fastify'
import { z } from 'zod'
import type { RouteContext } from '../requests/request.ts'
import type { MetricsText } from './metrics.ts'
import { readiness } from './readiness.ts'

const tags = ['operation']
const Readiness = z.object({
  ready: z.boolean(),
  database: z.string(),
  disk: z.string().describe('ok, or the reason why writes are refused; reads still work'),
  reasons: z
    .array(z.string())
    .describe('problems the operator should fix, one sentence each; empty if all is well'),
})

/** Routes for the operator's tools: health, readiness, metrics and openapi.yaml, which describes `routes`. */
export async function operatorRoutes(
  app: FastifyInstance,
  {
    context: { depot },
    metricsText,
    routes,
  }: {
    context: RouteContext
    metricsText: () => Promise<MetricsText>
    routes: readonly RouteOptions[]
  },
): Promise<void> {
  /** Made when it is first requested, because its modules would make each start slower. */
  let document: Promise<string> | undefined
  app.addHook('onSend', (_request, reply, _payload, done) => {
    reply.header('cache-control', 'no-store')
    done()
  })

  app.get(
    '/healthz',
    { schema: { tags, summary: 'Answers ok while the process runs', response: plain('ok') } },
    (_request, reply) => reply.type('text/plain').send('ok\n'),
  )

  app.get(
    '/readyz',
    {
      schema: {
        tags,
        summary: 'Whether the depot is ready for requests',
        response: { 200: Readiness.describe('ready'), 503: Readiness.describe('not ready') },
      },
    },
    async (_request, reply) => {
      const { isReady, database, disk, reasons } = await readiness(depot)
      return reply.code(isReady ? 200 : 503).send({ ready: isReady, database, disk, reasons: [...reasons] })
    },
  )

  app.get(
    '/metrics',
    { schema: { tags, summary: 'Metrics for Prometheus', response: plain('metrics') } },
    async (request, reply) => {
      request.isVital = true
      const { type, body } = await metricsText()
      return reply.type(type).send(body)
    },
  )

  app.get(
    '/openapi.yaml',
    {
      schema: {
        tags,
        summary: 'This document',
        response: {
          200: { description: 'OpenAPI 3.1', content: { 'application/yaml': { schema: z.string() } } },
        },
      },
    },
    async (_request, reply) => {
      document ??= import('./openapi.ts').then(({ writeOpenApi }) => writeOpenApi(routes))
      return reply.type('application/yaml').send(await document)
    },
  )
}

function plain(description: string) {
  return { 200: { description, content: { 'text/plain': { schema: z.string() } } } }
}
