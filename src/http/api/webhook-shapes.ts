import { z } from 'zod'
import { KINDS } from '../../events/visibility.ts'
import { parseViewName } from '../../views/view.ts'
import { isOriginName } from '../../package/ident.ts'
import { STATES } from '../../webhooks/progress.ts'
import { MOST_FILTER_NAMES, parseWebhookName, parseWebhookUrl } from '../../webhooks/webhook.ts'
import { Next, Time, named, textOf } from './shapes.ts'

// The shapes of webhooks, as shapes.ts has those of everything else.

const Sequence = z.int().min(1).describe('a number of the ledger')

const Filter = z
  .strictObject({
    views: z.array(textOf(parseViewName)).min(1).max(MOST_FILTER_NAMES).optional(),
    origins: z
      .array(z.string().refine(isOriginName, 'is not the name of an origin'))
      .min(1)
      .max(MOST_FILTER_NAMES)
      .optional(),
    kinds: z.array(z.enum(KINDS)).min(1).max(MOST_FILTER_NAMES).optional(),
  })
  .describe(
    'which entries it is sent: those of one of the views, and of one of the origins, and of one of the kinds, where these are given; all, without any',
  )

const Url = textOf(parseWebhookUrl).describe('https or http, without user and password')

// What comes in

export const WebhookPath = z.object({ webhook: z.string() })

export const NewWebhook = z.strictObject({
  name: textOf(parseWebhookName),
  url: Url,
  filter: Filter.default({}),
  after: z
    .int()
    .min(0)
    .optional()
    .describe('send what came after this entry of the ledger, 0 for all; without it, what comes from now on'),
})

export const WebhookChanges = z
  .strictObject({ url: Url.optional(), filter: Filter.optional(), paused: z.boolean().optional() })
  .refine((changes) => Object.keys(changes).length > 0, 'names nothing to change')

export const Replay = z
  .strictObject({
    from: Sequence,
    to: Sequence.optional().describe('the last one that was dealt with, when absent'),
  })
  .refine(({ from, to }) => to === undefined || to >= from, {
    message: 'must not be before from',
    path: ['to'],
  })

// What goes out

const Attempt = {
  status: z.int().nullable().describe('null where no answer came'),
  error: z.string().nullable().describe('why it was not accepted; null where it was'),
  answer: z.string().describe('how the body of the answer begins, at most 1 KiB'),
  duration_ms: z.int(),
}

const webhook = z.object({
  name: z.string(),
  url: z
    .string()
    .nullable()
    .describe('null where the depot was started with another secret key than it was encrypted with'),
  filter: z.object({
    views: z.array(z.string()).optional(),
    origins: z.array(z.string()).optional(),
    kinds: z.array(z.string()).optional(),
  }),
  state: z.enum(STATES),
  position: z
    .int()
    .describe('the last entry of the ledger that is dealt with: accepted, or not one of the filter'),
  behind: z.int().describe('how many entries of the ledger come after that'),
  replay: z
    .object({ next: z.int(), to: z.int() })
    .nullable()
    .describe('entries that are sent again before what comes after position'),
  attempts: z.int().describe('of what is next, without success'),
  next_attempt_at: Time.nullable(),
  failing_since: Time.nullable(),
  paused: z
    .object({ since: Time, why: z.enum(['asked', 'failing', 'gone']) })
    .nullable()
    .describe(
      'asked: by an administrator; failing: after attempts for more than five days; gone: the receiver answered 410. Nothing is lost: resuming goes on after position',
    ),
  created_at: Time,
  created_by: z.string().nullable(),
  previous_secret_until: Time.nullable().describe('until when the secret before the last one signs too'),
})

export const Webhook = named('Webhook', webhook)
export const Webhooks = named('Webhooks', z.object({ webhooks: z.array(Webhook), next: Next }))
const Secret = z.string().describe('whsec_…, as Standard Webhooks has it; shown only now')
export const MadeWebhook = named('MadeWebhook', webhook.extend({ secret: Secret }))
export const MadeSecret = named(
  'MadeWebhookSecret',
  z.object({
    webhook: z.string(),
    secret: Secret,
    previous_secret_until: Time.describe('until when the one before signs too'),
  }),
)

const Delivery = named(
  'Delivery',
  z.object({
    id: z.string().describe('webhook-id: the same for every attempt at an entry'),
    sequence: z.int(),
    attempt: z.int(),
    at: Time,
    ...Attempt,
  }),
)
export const Deliveries = named(
  'Deliveries',
  z.object({ webhook: z.string(), deliveries: z.array(Delivery), next: Next }),
)
export const Ping = named('Ping', z.object({ id: z.string(), accepted: z.boolean(), ...Attempt }))
