import { z } from 'zod'
import { Problem } from './shapes.ts'

// What a route may answer, for openapi.yaml and the compiler; nothing is checked against it at run time.

const problems = {
  '4xx': { description: 'refused', content: { 'application/problem+json': { schema: Problem } } },
} as const

export function answers<Shape extends z.ZodType, Status extends 200 | 201 | 204 = 200>(
  shape: Shape,
  status: Status = 200 as Status,
) {
  return { [status]: shape, ...problems } as Record<Status, Shape> & typeof problems
}

/** As JSON, and as columns of text. */
export function textToo<Shape extends z.ZodType, Status extends 200 | 201 = 200>(
  shape: Shape,
  status: Status = 200 as Status,
) {
  const ok = {
    description: shape.description ?? 'as asked',
    content: { 'application/json': { schema: shape }, 'text/plain': { schema: z.string() } },
  }
  return { [status]: ok, ...problems } as Record<Status, typeof ok> & typeof problems
}
