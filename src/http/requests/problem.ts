import { z } from 'zod'
import { PROBLEMS } from '../../errors.ts'
import { named } from './described.ts'
import { apiStatus } from './error-reply.ts'

type Code = keyof typeof PROBLEMS

export const PROBLEM_CODES = Object.keys(PROBLEMS) as readonly Code[]

const ProblemCode = named(
  'ProblemCode',
  z
    .enum(PROBLEM_CODES)
    .describe(
      PROBLEM_CODES.map(
        (code) => `- \`${code}\` (${apiStatus(code)}): ${PROBLEMS[code].meaning} ${PROBLEMS[code].advice}`,
      ).join('\n'),
    ),
)

/** The shape of errors below `/api`. Habitat routes send it only to clients that ask for it. */
export const Problem = named(
  'Problem',
  z
    .object({
      type: z.string().describe('urn:hart-depot:error: and the code'),
      title: z.string(),
      status: z.int(),
      code: ProblemCode,
      detail: z.string().describe('one sentence for people'),
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
      plan: z.looseObject({}).optional().describe('a new Plan or StatePlan that replaces the stale one'),
      change: z.string().optional().describe('the id of the change that is recorded with another commit'),
      recorded: z
        .object({ release: z.string(), target: z.string(), checksum: z.string() })
        .optional()
        .describe('the release that the change has already'),
      holder: z.string().optional().describe('the holder of the lease, for phase_running'),
      expires_at: z.string().optional().describe('when the lease of that holder ends'),
      request_id: z.string().describe('the id of this request in the log'),
    })
    .describe('an error (RFC 9457)'),
  {
    type: 'urn:hart-depot:error:not_found',
    title: 'not found',
    status: 404,
    code: 'not_found',
    detail: 'there is no view "delivred"; did you mean delivered?',
    request_id: '9f1c2a7b4d3e-42',
  },
)
