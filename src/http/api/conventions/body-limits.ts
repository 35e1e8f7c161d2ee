import type { JsonLimits } from '../../requests/json-limits.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Limits on the JSON of the body; default: {@link USUAL_JSON}. */
    readonly json?: JsonLimits
  }
}

/** Limits on JSON bodies, unless a route sets its own. */
export const USUAL_JSON: JsonLimits = {
  deepest: 16,
  mostValues: 20_000,
  mostKeys: 100,
  longestKeyBytes: 256,
  longestTextBytes: 64 * 1024,
}

export const USUAL_BODY_BYTES = 1024 * 1024
