import { LARGEST_LOCKFILE_BYTES } from '../../lockfiles/lockfile.ts'
import type { JsonLimits } from '../requests/json-limits.ts'
import { MOST_NAMED } from './change-shapes.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What its JSON may hold; {@link USUAL_JSON} where it is not said. */
    readonly json?: JsonLimits
  }
}

/** What JSON bodies may hold, unless a route says otherwise. */
export const USUAL_JSON: JsonLimits = {
  deepest: 16,
  mostValues: 20_000,
  mostKeys: 100,
  longestKeyBytes: 256,
  longestTextBytes: 64 * 1024,
}
export const USUAL_BODY_BYTES = 1024 * 1024

/** A release of a set takes five: itself, two fields, and two commas. */
const VALUES_OF_A_RELEASE = 5

/** For routes that take thousands of releases or a lockfile, whose ends of lines are two characters in JSON. */
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
