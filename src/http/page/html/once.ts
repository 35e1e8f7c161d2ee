import { createHash, randomBytes } from 'node:crypto'
import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { DepotError } from '../../../errors.ts'
import type { IdempotencyKey } from '../../../ledger/idempotency-store.ts'

// A form that makes something has a random text in a hidden field. If the same form is sent twice, the second
// request makes nothing and gets the same answer.

/** The shape of the hidden field of a form with `isOnce`. */
export const Once = { once: z.string().regex(/^[0-9a-f]{32}$/) }

export function onceField(): SafeHtml {
  return html`<input type="hidden" name="once" value="${randomBytes(16).toString('hex')}" />`
}

/**
 * Returns the idempotency key of a form. The key depends on all fields, because a person may go back, change
 * a field and send the form again to make something else. It has a space, so it differs from all keys of the
 * API. Throws `invalid_request` for a form without the field `once`.
 */
export function onceKey({ url, sentFields = {} }: FastifyRequest): IdempotencyKey {
  const { _csrf, ...fields } = sentFields
  if (fields.once === undefined)
    throw new DepotError('invalid_request', 'the form is incomplete: load its page again')
  const requestHash = createHash('sha256')
    .update(`${url}\n${JSON.stringify(fields)}`)
    .digest('hex')
  return { key: `form ${requestHash}`, requestHash }
}
