import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { writeOpenApi } from './openapi.ts'
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

/** Routes for the operator's tools: health, readiness, metrics and openapi.yaml. */
export async function operatorRoutes(
  app: FastifyInstance,
  { context: { depot }, metricsText }: { context: RouteContext; metricsText: () => Promise<MetricsText> },
): Promise<void> {
  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
  })

  app.get(
    '/healthz',
    { schema: { tags, summary: 'Answers ok while the process runs', response: plain('ok') } },
    async (_request, reply) => reply.type('text/plain').send('ok\n'),
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
    async (_request, reply) => reply.type('application/yaml').send(writeOpenApi(app)),
  )
}

function plain(description: string) {
  return { 200: { description, content: { 'text/plain': { schema: z.string() } } } }
}
