import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { IdempotencyKey } from '../../../ledger/idempotency-store.ts'

/** The headers of requests that may be repeated safely. */
export const IdempotencyHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .regex(/^[!-~]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
    .optional()
    .describe(
      'a unique key for this request. A repeated request with the same key gets the first answer for seven days',
    ),
})

/**
 * Returns the idempotency key of a request and the hash of its content, as a field of the input of commands.
 * The parsed body has its fields in the order of the schema, so its JSON is canonical.
 */
export function idempotencyOf(request: {
  readonly method: string
  readonly url: string
  readonly headers: z.infer<typeof IdempotencyHeaders>
  readonly body?: unknown
}): { readonly idempotency?: IdempotencyKey } {
  const { method, url, headers, body } = request
  const key = headers['idempotency-key']
  if (key === undefined) return {}
  const content = `${method} ${url}\n${JSON.stringify(body ?? {})}`
  return { idempotency: { key, requestHash: createHash('sha256').update(content).digest('hex') } }
}
