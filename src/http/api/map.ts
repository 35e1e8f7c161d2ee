import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { readVersion } from '../../package-root.ts'
import { formatColumns } from '../../text/columns.ts'
import { named } from '../requests/described.ts'
import { orText } from '../requests/as-text.ts'
import { shows } from '../requests/reading.ts'
import { textToo } from './conventions/responses.ts'
import { FormatQuery } from './conventions/shapes.ts'
import { sections } from './conventions/text.ts'

const ApiMap = named(
  'ApiMap',
  z.object({
    name: z.literal('hart-depot'),
    version: z.string().describe('the version of the depot'),
    openapi: z.string().describe('the URL of the OpenAPI document'),
    reference: z.string().describe('the URL of the reference for people'),
    resources: z.array(
      z.object({
        url: z.string().describe('with parameters in braces'),
        operations: z.array(
          z.object({
            method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
            operation: z.string().describe('its operationId'),
            summary: z.string(),
          }),
        ),
      }),
    ),
  }),
  {
    name: 'hart-depot',
    version: '1.0.0',
    openapi: '/openapi.yaml',
    reference: '/docs/api',
    resources: [
      {
        url: '/api/v1/views',
        operations: [
          { method: 'GET', operation: 'listViews', summary: 'Lists the open views' },
          { method: 'POST', operation: 'createView', summary: 'Creates a view' },
        ],
      },
      {
        url: '/api/v1/views/{view}/promotions',
        operations: [{ method: 'POST', operation: 'promote', summary: 'Promotes releases into a view' }],
      },
    ],
  },
)
type Resource = z.infer<typeof ApiMap>['resources'][number]

/** Route for a map of `/api/v1`: its resources and operations, taken from `routes`, which may still grow. */
export function mapRoutes(app: FastifyInstance, routes: readonly RouteOptions[]): void {
  const version = readVersion()
  app.withTypeProvider<ZodTypeProvider>().get(
    '/',
    {
      prefixTrailingSlash: 'no-slash',
      ...shows('every-token'),
      schema: {
        operationId: 'getApiMap',
        tags: ['operation'],
        summary: 'Shows a map of this API',
        description:
          'Every resource with its URL and operations, the version of the depot, and where the reference is.',
        querystring: FormatQuery,
        response: textToo(ApiMap),
      },
      preSerialization: orText(mapText),
    },
    async (request, reply) =>
      reply.send({
        name: 'hart-depot',
        version,
        openapi: `${request.publicPath}/openapi.yaml`,
        reference: `${request.publicPath}/docs/api`,
        resources: resourcesOf(routes, request),
      }),
  )
}

/** Lists the resources by URL. */
function resourcesOf(routes: readonly RouteOptions[], { publicPath }: FastifyRequest): Resource[] {
  const operations = routes.flatMap(({ method, url, schema }) => {
    const parsed = Method.safeParse(method)
    const { operationId, summary } = schema ?? {}
    if (!parsed.success || operationId === undefined || summary === undefined || !url.startsWith('/api/v1'))
      return []
    return [
      {
        url: `${publicPath}${url.replaceAll(/:(\w+)/g, '{$1}')}`,
        method: parsed.data,
        operation: operationId,
        summary,
      },
    ]
  })
  return [...Map.groupBy(operations, ({ url }) => url)]
    .map(([url, grouped]) => ({ url, operations: grouped.map(({ url: _url, ...operation }) => operation) }))
    .toSorted((a, b) => (a.url < b.url ? -1 : 1))
}

const Method = ApiMap.shape.resources.element.shape.operations.element.shape.method

function mapText({ name, version, openapi, reference, resources }: z.infer<typeof ApiMap>): string {
  const rows = resources.flatMap(({ url, operations }) =>
    operations.map(({ method, operation, summary }) => [method, url, operation, summary]),
  )
  return sections(
    `${name} ${version}`,
    formatColumns(['METHOD', 'URL', 'OPERATION', 'SUMMARY'], rows),
    `description: ${openapi}\nreference: ${reference}`,
  )
}
