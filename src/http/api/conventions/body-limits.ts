import { LARGEST_LOCKFILE_BYTES } from '../../../lockfiles/lockfile.ts'
import type { JsonLimits } from '../../requests/json-limits.ts'
import { MOST_NAMED } from '../promotions/shapes.ts'

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

/** Each release in a set counts as five values: itself, two fields and two commas. */
const VALUES_OF_A_RELEASE = 5

/**
 * Limits for routes that accept thousands of releases or a lockfile, whose line breaks take two characters in
 * JSON.
 */
export const SET_BODY = {
  bodyLimit: LARGEST_LOCKFILE_BYTES + USUAL_BODY_BYTES,
  config: {
    json: {
      ...USUAL_JSON,
      mostValues: VALUES_OF_A_RELEASE * MOST_NAMED + USUAL_JSON.mostValues,
      longestTextBytes: LARGEST_LOCKFILE_BYTES + USUAL_BODY_BYTES,
    },
  },
} as const
