import { z } from 'zod'
import { named } from './shapes.ts'

// Responses of routes, for openapi.yaml and the compiler. They are not validated at run time.

const Problem = named(
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

const problems = {
  '4xx': { description: 'error', content: { 'application/problem+json': { schema: Problem } } },
} as const

export function answers<Shape extends z.ZodType, Status extends 200 | 201 | 204 = 200>(
  shape: Shape,
  status: Status = 200 as Status,
) {
  return { [status]: shape, ...problems } as Record<Status, Shape> & typeof problems
}

/** Returns a response that is available as JSON and as columns of text. */
export function textToo<Shape extends z.ZodType, Status extends 200 | 201 = 200>(
  shape: Shape,
  status: Status = 200 as Status,
) {
  const ok = {
    description: shape.description ?? 'success',
    content: { 'application/json': { schema: shape }, 'text/plain': { schema: z.string() } },
  }
  return { [status]: ok, ...problems } as Record<Status, typeof ok> & typeof problems
}
