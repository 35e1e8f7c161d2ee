import { MAX_LOCKFILE_BYTES } from '../../../lockfiles/lockfile.ts'
import { DEFAULT_MAX_BODY_BYTES, DEFAULT_JSON_LIMITS } from '../conventions/body-limits.ts'
import { MAX_NAMED_RELEASES } from '../../../views/change-request.ts'

/** Each release in a set counts as five values: itself, two fields and two commas. */
const VALUES_OF_A_RELEASE = 5

/**
 * Limits for routes that accept thousands of releases or a lockfile. JSON writes each line break of a
 * lockfile as two characters, for which the default limit of a body leaves room.
 */
export const LARGE_BODY = {
  bodyLimit: MAX_LOCKFILE_BYTES + DEFAULT_MAX_BODY_BYTES,
  config: {
    json: {
      ...DEFAULT_JSON_LIMITS,
      maxValues: VALUES_OF_A_RELEASE * MAX_NAMED_RELEASES + DEFAULT_JSON_LIMITS.maxValues,
      maxTextBytes: MAX_LOCKFILE_BYTES + DEFAULT_MAX_BODY_BYTES,
    },
  },
} as const
