import { z } from 'zod'
import { named } from './described.ts'

/** The shape of errors, except for those of the Habitat routes to clients that do not ask for it. */
export const Problem = named(
  'Problem',
  z
    .object({
      type: z.string(),
      title: z.string(),
      status: z.int(),
      code: z.string().describe('stable; for programs'),
      detail: z.string(),
      errors: z
        .array(
          z.object({
            detail: z.string(),
            pointer: z.string().optional().describe('the part of the request (RFC 6901)'),
            rule: z.string().optional().describe('the rule of the view that refuses the change'),
            chain: z
              .array(z.string())
              .optional()
              .describe('idents from the requested release to the missing one'),
          }),
        )
        .optional(),
      plan: z.looseObject({}).optional().describe('a new Plan that replaces the stale one'),
      request_id: z.string().describe('the id of this request in the log'),
    })
    .describe('an error (RFC 9457)'),
)
