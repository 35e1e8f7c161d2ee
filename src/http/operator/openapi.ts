import swagger from '@fastify/swagger'
import fastify from 'fastify'
import type { RouteOptions } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { stringify } from 'yaml'
import { describeHabitatRoute } from '../habitat/describe-route.ts'
import { WITHOUT_COMPILERS } from '../requests/validate.ts'
import { completeDocument } from './document.ts'
import type { Document } from './document.ts'
import { INTRODUCTION, TAGS } from './introduction.ts'

const INFO = {
  title: 'hart-depot',
  version: '1',
  description: INTRODUCTION,
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
 * Writes the OpenAPI document of these routes as YAML. A separate server, which only describes the routes,
 * registers them again, so that the libraries for descriptions are loaded only when somebody asks for the
 * document.
 */
export async function writeOpenApi(routes: readonly RouteOptions[]): Promise<string> {
  const app = fastify({ exposeHeadRoutes: false, schemaController: WITHOUT_COMPILERS })
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => JSON.stringify)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: INFO,
      servers: [{ url: '/' }],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      components: { securitySchemes: SECURITY_SCHEMES },
      security: [{}, { bearer: [] }, { basic: [] }],
    },
    transform: (route) => {
      if (route.url.startsWith('/v1/'))
        return { schema: describeHabitatRoute(String(route.route.method), route.url), url: route.url }
      const { schema, ...made } = jsonSchemaTransform(route)
      const { errors, examples, ...described } = schema
      return {
        ...made,
        schema: { ...withDescriptions(described), 'x-errors': errors, 'x-examples': examples },
      }
    },
    transformObject: jsonSchemaTransformObject,
  })
  for (const { method, url, schema } of routes.toSorted((a, b) => placeOf(a) - placeOf(b)))
    app.route({ method, url, ...(schema && { schema }), handler: async () => undefined })
  await app.ready()
  // The library's type allows every version of OpenAPI.
  const document = structuredClone(app.swagger()) as unknown as Document
  await app.close()
  completeDocument(document)
  // The server URL is relative to the document, because the depot may be below a path of its host.
  // @fastify/swagger accepts only URLs and absolute paths.
  const yaml = stringify({ ...document, servers: [{ url: '.' }] }, { aliasDuplicateObjects: false })
  return `# Generated from the routes by \`npm run openapi\`: do not edit.\n${yaml}`
}

/** The Habitat protocol comes first, then the API, then the routes of operators. */
function placeOf({ url }: RouteOptions): number {
  return url.startsWith('/v1') ? 0 : url.startsWith('/api') ? 1 : 2
}

type Schema = ReturnType<typeof jsonSchemaTransform>['schema']

/** Adds a description, which OpenAPI requires, to responses that only refer to a named schema. */
function withDescriptions(schema: Schema): Schema {
  const answers = Object.entries((schema.response ?? {}) as Record<string, object>)
  const response = answers.map(([status, answer]) => [
    status,
    '$ref' in answer
      ? { description: MEANINGS[status] ?? 'success', content: { 'application/json': { schema: answer } } }
      : answer,
  ])
  return { ...schema, response: Object.fromEntries(response) as object }
}
