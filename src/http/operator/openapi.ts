import swagger from '@fastify/swagger'
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import fastify from 'fastify'
import type { RouteOptions } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { describeHabitatRoute } from '../habitat/describe-route.ts'

const INFO = {
  title: 'hart-depot',
  version: '1',
  description:
    'A Habitat package depot whose environments are named, versioned views. The Habitat protocol is served below /v1, for clients of all years; the API of hart-depot is below /api/v1. ' +
    'Errors below /v1 have the body that Builder sends, which is mostly empty. hab gets {code,msg}; curl, wget and clients that prefer text/plain get a sentence; clients that list application/problem+json get a problem document (RFC 9457). ' +
    'Changes are additive: fields are added, and never removed or changed.',
  license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
}

const SECURITY_SCHEMES = {
  bearer: { type: 'http', scheme: 'bearer', description: 'a token' },
  basic: {
    type: 'http',
    scheme: 'basic',
    description: 'a token as the password, with any user name, for clients that can be given only a URL',
  },
} as const

const MEANINGS: Readonly<Record<string, string>> = { 200: 'success', 201: 'created' }

/**
 * Writes the OpenAPI document of these routes as YAML. They are registered again in a server that only describes them, so
 * that the depot's own server need not load what this takes.
 */
export async function writeOpenApi(routes: readonly RouteOptions[]): Promise<string> {
  const app = fastify({ exposeHeadRoutes: false })
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => JSON.stringify)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: INFO,
      servers: [{ url: '/' }],
      components: { securitySchemes: SECURITY_SCHEMES },
      security: [{}, { bearer: [] }, { basic: [] }],
    },
    transform: (route) =>
      route.url.startsWith('/v1/')
        ? { schema: describeHabitatRoute(String(route.route.method), route.url), url: route.url }
        : described(jsonSchemaTransform(route)),
    transformObject: sortShapes,
  })
  for (const { method, url, schema } of routes)
    if (method !== 'HEAD')
      app.route({ method, url, ...(schema && { schema }), handler: async () => undefined })
  await app.ready()
  const document = app.swagger({ yaml: true })
  await app.close()
  return `# Generated from the routes by \`npm run openapi\`: do not edit.\n${document}`
}

/** Adds a description, which OpenAPI requires, to responses that only refer to a named schema. */
function described(route: ReturnType<typeof jsonSchemaTransform>): ReturnType<typeof jsonSchemaTransform> {
  const answers = Object.entries((route.schema.response ?? {}) as Record<string, object>)
  const response = answers.map(([status, answer]) => [
    status,
    '$ref' in answer
      ? { description: MEANINGS[status] ?? 'success', content: { 'application/json': { schema: answer } } }
      : answer,
  ])
  return { ...route, schema: { ...route.schema, response: Object.fromEntries(response) as object } }
}

/**
 * Sorts the named shapes, and removes the second schema that the library generates for the requests of each:
 * named shapes are only used in responses.
 */
const sortShapes: NonNullable<FastifyDynamicSwaggerOptions['transformObject']> = (document) => {
  const made = jsonSchemaTransformObject(document)
  const { schemas = {}, ...others } = ('components' in made ? made.components : undefined) ?? {}
  const shapes = Object.entries(schemas)
    .filter(([name]) => !name.endsWith('Input'))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  // The server URL is relative to the document, because the depot may be below a path of its host.
  // @fastify/swagger accepts only URLs and absolute paths.
  return {
    ...made,
    components: { ...others, schemas: Object.fromEntries(shapes) },
    servers: [{ url: '.' }],
  } as ReturnType<typeof jsonSchemaTransformObject>
}
