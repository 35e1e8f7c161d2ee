import swagger from '@fastify/swagger'
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { HABITAT_SHAPES, describeHabitatRoute } from '../habitat/described.ts'

const INFO = {
  title: 'hart-depot',
  version: '1',
  description:
    'A Habitat package depot whose environments are named, versioned views. Below /v1 stands what Habitat clients of all years expect; below /api/v1 what their protocol has no words for. ' +
    'A refusal below /v1 has the body that Builder gives it, which is mostly none. hab gets {code,msg}; curl, wget and clients that prefer text/plain get a sentence, and those that name application/problem+json a problem (RFC 9457). ' +
    'Additive only: fields are added, never removed or changed.',
  license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
}

const SECURITY_SCHEMES = {
  bearer: { type: 'http', scheme: 'bearer', description: 'a token' },
  basic: {
    type: 'http',
    scheme: 'basic',
    description: 'a token as the password, whatever the user, for clients that can carry only a URL',
  },
} as const

const MEANINGS: Readonly<Record<string, string>> = { 200: 'as asked', 201: 'made' }

/** Collects every route that is registered after it, for {@link writeOpenApi} and `/openapi.yaml`. */
export async function collectRoutes(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: INFO,
      servers: [{ url: '/' }],
      components: { securitySchemes: SECURITY_SCHEMES, schemas: HABITAT_SHAPES },
      security: [{}, { bearer: [] }, { basic: [] }],
    },
    transform: (route) =>
      route.url.startsWith('/v1/')
        ? { schema: describeHabitatRoute(String(route.route.method), route.url), url: route.url }
        : described(jsonSchemaTransform(route)),
    transformObject: withoutInputs,
  })
}

/** Answers that are nothing but a shape with a name have no description of their own, which the document requires. */
function described(route: ReturnType<typeof jsonSchemaTransform>): ReturnType<typeof jsonSchemaTransform> {
  const answers = Object.entries((route.schema.response ?? {}) as Record<string, object>)
  const response = answers.map(([status, answer]) => [
    status,
    '$ref' in answer
      ? { description: MEANINGS[status] ?? 'as asked', content: { 'application/json': { schema: answer } } }
      : answer,
  ])
  return { ...route, schema: { ...route.schema, response: Object.fromEntries(response) as object } }
}

/** Every shape with a name is made once as it comes in and once as it goes out; ours only go out. */
const withoutInputs: NonNullable<FastifyDynamicSwaggerOptions['transformObject']> = (document) => {
  const made = jsonSchemaTransformObject(document)
  const { schemas = {} } = ('components' in made ? made.components : undefined) ?? {}
  for (const name of Object.keys(schemas)) {
    if (name.endsWith('Input')) delete schemas[name]
  }
  // Beside the document itself: the depot may lie below a path of its host. @fastify/swagger knows only URLs and paths from the root.
  return { ...made, servers: [{ url: '.' }] }
}

/** The whole document, of a server whose plugins are loaded. */
export function writeOpenApi(app: FastifyInstance): string {
  return `# Generated from the routes by \`npm run openapi\`: do not edit.\n${app.swagger({ yaml: true })}`
}
