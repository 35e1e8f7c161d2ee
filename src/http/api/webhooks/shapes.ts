import { z } from 'zod'
import { KINDS } from '../../../events/visibility.ts'
import { isOriginName } from '../../../package/ident.ts'
import { parseViewName } from '../../../views/view.ts'
import { WEBHOOK_STATES } from '../../../webhooks/progress.ts'
import { MAX_FILTER_NAMES, parseWebhookName, parseWebhookUrl } from '../../../webhooks/webhook.ts'
import { NEXT_WEEK, NOW, YESTERDAY } from '../conventions/examples.ts'
import { Next, Time, named, textOf } from '../conventions/shapes.ts'

// Shapes of webhooks.

const URL = 'https://chat.example.com/hooks/depot'
const SECRET = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'
const ACCEPTED = { status: 204, error: null, answer: '', duration_ms: 18 }

const Sequence = z.int().min(1).describe('the sequence number of a ledger entry')

const Filter = z
  .strictObject({
    views: z.array(textOf(parseViewName)).min(1).max(MAX_FILTER_NAMES).optional(),
    origins: z
      .array(z.string().refine(isOriginName, 'is not a valid origin name'))
      .min(1)
      .max(MAX_FILTER_NAMES)
      .optional(),
    kinds: z.array(z.enum(KINDS)).min(1).max(MAX_FILTER_NAMES).optional(),
  })
  .describe(
    'the entries to deliver. Fields are combined with AND, the values of one field with OR. An empty filter matches every entry',
  )

const Url = textOf(parseWebhookUrl).describe('https or http, without user and password')

export const WebhookPath = z.object({ webhook: z.string() })

export const NewWebhook = named(
  'NewWebhook',
  z.strictObject({
    name: textOf(parseWebhookName),
    url: Url,
    filter: Filter.default({}),
    after: z
      .int()
      .min(0)
      .optional()
      .describe('delivers the entries after this one, 0 for all; default: only new entries'),
  }),
  { name: 'chat', url: URL, filter: { views: ['delivered'], kinds: ['promotion'] } },
)

export const WebhookChanges = named(
  'WebhookChanges',
  z
    .strictObject({ url: Url.optional(), filter: Filter.optional(), paused: z.boolean().optional() })
    .refine((changes) => Object.keys(changes).length > 0, 'must change something'),
  { paused: false },
)

export const Replay = named(
  'Replay',
  z
    .strictObject({
      from: Sequence,
      to: Sequence.optional().describe('default: the last processed entry'),
    })
    .refine(({ from, to }) => to === undefined || to >= from, {
      message: 'must not be before from',
      path: ['to'],
    }),
  { from: 800, to: 812 },
)

const Attempt = {
  status: z.int().nullable().describe('null if there was no answer'),
  error: z.string().nullable().describe('the reason for a failure; null if accepted'),
  answer: z.string().describe("the beginning of the answer's body, at most 1 KiB"),
  duration_ms: z.int(),
}

const webhook = z.object({
  name: z.string(),
  url: z
    .string()
    .nullable()
    .describe('null if the depot was started with another secret key than the one that encrypted it'),
  filter: z.object({
    views: z.array(z.string()).optional(),
    origins: z.array(z.string()).optional(),
    kinds: z.array(z.string()).optional(),
  }),
  state: z.enum(WEBHOOK_STATES),
  position: z.int().describe('the last processed entry, which was accepted or did not match the filter'),
  behind: z.int().describe('the number of entries after position'),
  replay: z
    .object({ next: z.int(), to: z.int() })
    .nullable()
    .describe('entries that are sent again first; the entries after position follow them'),
  attempts: z.int().describe('failed attempts at the next entry'),
  next_attempt_at: Time.nullable(),
  failing_since: Time.nullable(),
  paused: z
    .object({ since: Time, why: z.enum(['asked', 'failing', 'gone']) })
    .nullable()
    .describe(
      'asked: by an administrator; failing: attempts failed for more than five days; gone: the receiver answered 410. Resuming continues after position, so nothing is lost',
    ),
  created_at: Time,
  created_by: z.string().nullable(),
  previous_secret_until: Time.nullable().describe('until when the previous secret also signs'),
})

const EXAMPLE: z.input<typeof webhook> = {
  name: 'chat',
  url: URL,
  filter: { views: ['delivered'], kinds: ['promotion'] },
  state: 'delivering',
  position: 812,
  behind: 0,
  replay: null,
  attempts: 0,
  next_attempt_at: null,
  failing_since: null,
  paused: null,
  created_at: YESTERDAY,
  created_by: 'jane',
  previous_secret_until: null,
}

export const Webhook = named('Webhook', webhook, EXAMPLE)
export const Webhooks = named('Webhooks', z.object({ webhooks: z.array(Webhook), next: Next }), {
  webhooks: [EXAMPLE],
  next: null,
})
const Secret = z.string().describe('whsec_…, as defined by Standard Webhooks; shown only once')
export const MadeWebhook = named('MadeWebhook', webhook.extend({ secret: Secret }), {
  ...EXAMPLE,
  secret: SECRET,
})
export const MadeSecret = named(
  'MadeWebhookSecret',
  z.object({
    webhook: z.string(),
    secret: Secret,
    previous_secret_until: Time.describe('until when the previous secret also signs'),
  }),
  { webhook: 'chat', secret: SECRET, previous_secret_until: NEXT_WEEK },
)

const Delivery = named(
  'Delivery',
  z.object({
    id: z.string().describe('the webhook-id, which is the same for every attempt at an entry'),
    sequence: z.int(),
    attempt: z.int(),
    at: Time,
    ...Attempt,
  }),
)
export const Deliveries = named(
  'Deliveries',
  z.object({ webhook: z.string(), deliveries: z.array(Delivery), next: Next }),
  {
    webhook: 'chat',
    deliveries: [{ id: 'msg_4f1c9f1d4cfd2a14_812', sequence: 812, attempt: 1, at: NOW, ...ACCEPTED }],
    next: null,
  },
)
export const Ping = named('Ping', z.object({ id: z.string(), accepted: z.boolean(), ...Attempt }), {
  id: 'msg_4f1c9f1d4cfd2a14_ping',
  accepted: true,
  ...ACCEPTED,
})
