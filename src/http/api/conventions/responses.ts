import type { z } from 'zod'
import { Text } from '../../requests/described.ts'

// Responses of routes, for openapi.yaml and the compiler. They are not validated at run time. Errors are not
// among them: the schema of a route lists their codes.

/** Returns a response that is available only as JSON. */
export function answers<Shape extends z.ZodType, Status extends 200 | 201 | 204 = 200>(
  shape: Shape,
  status: Status = 200 as Status,
) {
  return { [status]: shape } as Record<Status, Shape>
}

/** The headers of answers that no cache may keep, because they contain secrets or depend on the caller. */
export const NO_STORE = { 'cache-control': 'no-store' }

/** Returns a response that is available as JSON and as columns of text. */
export function textToo<Shape extends z.ZodType, Status extends 200 | 201 = 200>(
  shape: Shape,
  status: Status = 200 as Status,
) {
  const ok = {
    description: shape.description ?? 'success',
    content: { 'application/json': { schema: shape }, 'text/plain': { schema: Text } },
  }
  return { [status]: ok } as Record<Status, typeof ok>
}
