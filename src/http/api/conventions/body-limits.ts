import type { JsonLimits } from '../../requests/json-limits.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Limits on the JSON of the body; default: {@link DEFAULT_JSON}. */
    readonly json?: JsonLimits
    /** Whether the handler reads the body as a stream, which is not held in memory. */
    readonly hasStreamedBody?: boolean
  }
}

/** Limits on JSON bodies, unless a route sets its own. */
export const DEFAULT_JSON: JsonLimits = {
  maxDepth: 16,
  maxValues: 20_000,
  maxKeys: 100,
  maxKeyBytes: 256,
  maxTextBytes: 64 * 1024,
}

export const DEFAULT_BODY_BYTES = 1024 * 1024
