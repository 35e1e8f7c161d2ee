import { z } from 'zod'
import { POSITION } from '../../ledger/position.ts'
import { KINDS } from '../../events/visibility.ts'
import { MOST_IN_A_PAGE, Next, Time, USUAL_PAGE, named } from './shapes.ts'

export const LONGEST_WAIT_S = 300

export const Wait = z.coerce
  .number()
  .min(0)
  .max(LONGEST_WAIT_S)
  .optional()
  .describe('seconds, with decimals, to hold the request while there is nothing new to answer')

const Sequence = z.int().min(0)
const Position = z
  .string()
  .describe(
    'a number and the first 16 characters of the hash of the entry there: for after and Last-Event-ID',
  )
const PlaceText = z
  .string()
  .regex(POSITION, 'must be the number of an entry, or a position such as 812-9c0f1b2a3d4e5f60')
const Names = (what: string) =>
  z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe(`${what}; several by commas, or given again`)

export const EventsQuery = z.strictObject({
  after: PlaceText.optional().describe(
    'the last entry that is known: its number, or a position, which is refused (409 other_history) where the ledger has another entry there. 0 is before the first. A stream without it begins with what comes',
  ),
  limit: z.coerce.number().int().min(1).max(MOST_IN_A_PAGE).default(USUAL_PAGE),
  view: Names('only entries about this view'),
  origin: Names('only entries that name this origin, or something of it'),
  kind: Names(`only entries of this kind: ${KINDS.join(', ')}`),
  wait: Wait,
  format: z
    .enum(['json', 'text'])
    .optional()
    .describe('as Accept: application/json or text/plain, for clients that cannot say so'),
})

export const EventsHeaders = z.looseObject({
  'last-event-id': PlaceText.optional().describe(
    'of a stream: the last entry that was heard of, wins over after. A stream that begins at a position has positions as ids',
  ),
})

export const LedgerEvent = named(
  'LedgerEvent',
  z
    .object({
      sequence: Sequence,
      digest: z.string().describe('sha256(salt + text)'),
      hash: z
        .string()
        .describe("sha256(hash of the entry before + '\\n' + sequence + '\\n' + digest + '\\n')"),
      at: Time.optional(),
      kind: z.enum(KINDS).optional(),
      actor: z.string().nullable().optional().describe("the account; null for the depot's own doing"),
      client: z.string().optional().describe('what the client called itself'),
      event: z
        .looseObject({})
        .optional()
        .describe('what happened, in fields of its kind. Of a promotion, what you may see of it'),
      salt: z.string().optional(),
      text: z.string().optional().describe('exactly what was hashed'),
    })
    .describe(
      'an entry of the ledger. What you may not see is number, digest and hash; what you may see only in part has neither salt nor text',
    ),
)

export const Events = named(
  'Events',
  z.object({
    events: z
      .array(LedgerEvent)
      .describe(
        'oldest first. Without a filter every number is there; with one, what matches and you may see',
      ),
    through: Sequence.describe('the last entry that was read, shown or not: where to go on'),
    position: Position.describe('through, with the mark of the entry there'),
    next: Next.describe('where more is; null when all there is has been read'),
  }),
)

export const LedgerHead = named(
  'LedgerHead',
  z
    .object({
      sequence: Sequence,
      hash: z.string(),
      at: Time,
      position: Position,
      incarnation: z
        .string()
        .nullable()
        .describe('another one each time the depot was put back to an older copy; null where it never was'),
    })
    .describe('the last entry of the ledger'),
)
