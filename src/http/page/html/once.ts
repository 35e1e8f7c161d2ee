import { createHash, randomBytes } from 'node:crypto'
import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { DepotError } from '../../../errors.ts'
import type { IdempotencyKey } from '../../../ledger/idempotency-store.ts'

// A form that makes something carries a random text. The same form sent twice makes one thing, and both
// requests get the same answer.

/** The field of a form with `isOnce`. */
export const Once = { once: z.string().regex(/^[0-9a-f]{32}$/) }

export function onceField(): SafeHtml {
  return html`<input type="hidden" name="once" value="${randomBytes(16).toString('hex')}" />`
}

/**
 * Returns the idempotency key of a form. The fields are a part of it, because a person may go back, change
 * them and send the form again, to make something else. With its space, it is no key of the API. Throws
 * `invalid_request` for a form without the field `once`.
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
