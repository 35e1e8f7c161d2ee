import type { JsonLimits } from '../../requests/json-limits.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Limits on the JSON of the body; default: {@link DEFAULT_JSON_LIMITS}. */
    readonly json?: JsonLimits
    /** Whether the handler reads the body as a stream, which is not held in memory. */
    readonly hasStreamedBody?: boolean
  }
}

/** Limits on JSON bodies, unless a route sets its own. */
export const DEFAULT_JSON_LIMITS: JsonLimits = {
  maxDepth: 16,
  maxValues: 20_000,
  maxKeys: 100,
  maxKeyBytes: 256,
  maxTextBytes: 64 * 1024,
}

/** The maximum size of a JSON body, unless a route sets its own. */
export const DEFAULT_MAX_BODY_BYTES = 1024 * 1024
