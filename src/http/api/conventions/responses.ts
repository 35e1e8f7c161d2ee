import { z } from 'zod'
import { Problem } from './shapes.ts'

// Responses of routes, for openapi.yaml and the compiler. They are not validated at run time.

const problems = {
  '4xx': { description: 'error', content: { 'application/problem+json': { schema: Problem } } },
} as const

export function answers<Shape extends z.ZodType, Status extends 200 | 201 | 204 = 200>(
  shape: Shape,
  status: Status = 200 as Status,
) {
  return { [status]: shape, ...problems } as Record<Status, Shape> & typeof problems
}

/** A response that is available as JSON and as columns of text. */
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
