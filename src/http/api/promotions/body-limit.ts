import { MAX_LOCKFILE_BYTES } from '../../../lockfiles/lockfile.ts'
import { DEFAULT_BODY_BYTES, DEFAULT_JSON } from '../conventions/body-limits.ts'
import { MAX_NAMED_RELEASES } from './shapes.ts'

/** Each release in a set counts as five values: itself, two fields and two commas. */
const VALUES_OF_A_RELEASE = 5

/**
 * Limits for routes that accept thousands of releases or a lockfile, whose line breaks take two characters in
 * JSON.
 */
export const SET_BODY = {
  bodyLimit: MAX_LOCKFILE_BYTES + DEFAULT_BODY_BYTES,
  config: {
    json: {
      ...DEFAULT_JSON,
      maxValues: VALUES_OF_A_RELEASE * MAX_NAMED_RELEASES + DEFAULT_JSON.maxValues,
      maxTextBytes: MAX_LOCKFILE_BYTES + DEFAULT_BODY_BYTES,
    },
  },
} as const
