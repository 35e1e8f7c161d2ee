import { LARGEST_LOCKFILE_BYTES } from '../../../lockfiles/lockfile.ts'
import { USUAL_BODY_BYTES, USUAL_JSON } from '../conventions/body-limits.ts'
import { MOST_NAMED } from './shapes.ts'

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
