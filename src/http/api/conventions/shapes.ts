import { z } from 'zod'
import { DepotError } from '../../../errors.ts'
import { TARGETS } from '../../../package/target.ts'
import { named } from '../../requests/described.ts'
import { NOW } from './examples.ts'

// Shapes that several resources of `/api/v1` use. Requests are validated against shapes. Responses are not,
// because that would be slow for long lists; the compiler and the tests compare them with their shapes.
// Changes are additive: fields may be added, but not removed or given another meaning.

export { named }

/** Returns the shape of strings that a parser of the core accepts. Its error message goes to the caller. */
export function textOf(parse: (text: string) => unknown) {
  return z.string().superRefine((text, context) => {
    try {
      parse(text)
    } catch (error) {
      if (!(error instanceof DepotError)) throw error
      context.addIssue({ code: 'custom', message: error.message })
    }
  })
}

export const MAX_PAGE_SIZE = 1_000
export const DEFAULT_PAGE_SIZE = 100
export const MAX_WAIT_S = 300

export const Time = z.iso.datetime().describe('RFC 3339, in UTC')
export const Ident = z.string().describe('origin/name/version/release')
export const Package = z.string().describe('origin/name')
export const Target = z.enum(TARGETS)
export const ViewName = z.string()
export const Visibility = z.enum(['public', 'private', 'hidden'])
export const Checksum = z.string().describe('BLAKE2b-256 of the file')
export const Revision = z.int().min(0)
export const RevisionId = z
  .string()
  .describe(
    'a revision and the first 16 characters of the hash of its ledger entry, for expect_revision and min_revision',
  )

/** The forms of a point in the history of a view; see `momentOf`. */
export const MOMENT_FORMS = 'a revision, a revision_id, or a time (RFC 3339)'

/** Fields of answers that show a view at a revision. */
export const AtRevision = {
  view: ViewName,
  revision: Revision,
  at: Time.nullable().describe('when the revision was made'),
}

/** Fields of items that are in a view, or latest in it, since a revision. */
export const Since = { since_revision: Revision, since: Time }

/** Why a release has a mark; see docs/withdrawing.md. */
export const Notice = named(
  'Notice',
  z.object({
    reason: z.string(),
    by: z.string().nullable().describe('the account; null for the shell of the depot'),
    since: Time,
  }),
  { reason: 'it loses data', by: 'alice', since: NOW },
)

/** Marks of listed releases. */
export const Marks = {
  yank: Notice.nullable().describe('set if the release is yanked'),
  deprecation: Notice.nullable().describe('set if the release is deprecated'),
}

export const Next = z.string().nullable().describe('the URL of the next page; null on the last page')

export const ViewPath = z.object({ view: z.string() })
/** The path of a package in a view. With a target, it names a line. */
export const LinePath = z.object({ view: z.string(), origin: z.string(), name: z.string() })
export const ReleasePath = z.object({
  origin: z.string(),
  name: z.string(),
  version: z.string(),
  release: z.string(),
})

export const TargetQuery = z.strictObject({ target: Target.optional() })

export const Format = z
  .enum(['json', 'text'])
  .optional()
  .describe('same as Accept: application/json or text/plain, for clients that cannot set headers')
export const FormatQuery = z.strictObject({ format: Format })

export const PageQuery = z.strictObject({
  cursor: z.string().optional().describe('opaque; taken from next'),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE),
  format: Format,
})

export const Wait = z.coerce
  .number()
  .min(0)
  .max(MAX_WAIT_S)
  .optional()
  .describe('the most seconds (decimals allowed) to wait for something new')
