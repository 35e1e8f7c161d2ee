import { z } from 'zod'
import { KINDS } from '../../../events/visibility.ts'
import { POSITION } from '../../../ledger/position.ts'
import { CHECKSUM, EARLIER_IDENT, HASH, IDENT, NOW, TARGET } from '../conventions/examples.ts'
import { Format, Next, PageQuery, Time, Wait, named } from '../conventions/shapes.ts'

const Sequence = z.int().min(0)

const Position = z
  .string()
  .describe('the number of an entry and the first 16 characters of its hash, for after and Last-Event-ID')

const PlaceText = z
  .string()
  .regex(POSITION, 'must be the number of an entry, or a position such as 812-9c0f1b2a3d4e5f60')

/** Returns the shape of a parameter that lists names. */
function listOfNames(what: string) {
  return z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe(`${what}; separate several by commas or repeat the parameter`)
}

export const EventsQuery = z.strictObject({
  after: PlaceText.optional().describe(
    'the last known entry: its number, or its position, which gets 409 other_history if the ledger has another entry there. 0 is before the first entry. The default for a stream is the end of the ledger',
  ),
  limit: PageQuery.shape.limit,
  view: listOfNames('only entries about this view'),
  origin: listOfNames('only entries about this origin or its packages'),
  kind: listOfNames(`only entries of this kind: ${KINDS.join(', ')}`),
  wait: Wait,
  format: Format,
})

export const EventsHeaders = z.looseObject({
  'last-event-id': PlaceText.optional().describe(
    'for a stream: the last received entry; overrides after. A stream that starts at a position has positions as ids',
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
        .describe("sha256(hash of the previous entry + '\\n' + sequence + '\\n' + digest + '\\n')"),
      at: Time.optional(),
      kind: z.enum(KINDS).optional(),
      actor: z.string().nullable().optional().describe('the account; null for changes by the depot itself'),
      client: z.string().optional().describe('the User-Agent of the client'),
      event: z
        .looseObject({})
        .optional()
        .describe('the event, with fields by kind. Promotions show only the parts that the caller may see'),
      salt: z.string().optional(),
      text: z.string().optional().describe('the exact text that was hashed'),
    })
    .describe(
      'a ledger entry. An entry that the caller may not see has only its number, digest and hash; one that the caller may see in part has no salt and no text',
    ),
)

export const Events = named(
  'Events',
  z.object({
    events: z
      .array(LedgerEvent)
      .describe(
        'oldest first. Without a filter, all entries; with a filter, the matching entries that the caller may see',
      ),
    through: Sequence.describe('the last entry that was read, whether shown or not; continue after it'),
    position: Position.describe('through as a position'),
    next: Next.describe('the URL of the next page; null at the end of the ledger'),
  }),
  {
    events: [
      {
        sequence: 812,
        digest: CHECKSUM,
        hash: HASH,
        at: NOW,
        kind: 'promotion',
        actor: 'ci',
        client: 'curl/8.5.0',
        event: {
          kind: 'promotion',
          view: 'acceptance',
          revision: 12,
          act: 'promote',
          joined: [{ ident: IDENT, target: TARGET }],
          left: [],
          pointers: [{ package: 'acme/app', target: TARGET, from: EARLIER_IDENT, to: IDENT }],
        },
      },
    ],
    through: 812,
    position: '812-9c0f1b2a3d4e5f60',
    next: null,
  },
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
        .describe('changes each time the depot is restored from an older copy; null if it never was'),
    })
    .describe('the last entry of the ledger'),
  { sequence: 812, hash: HASH, at: NOW, position: '812-9c0f1b2a3d4e5f60', incarnation: null },
)

export const EventStream = named(
  'EventStream',
  z
    .string()
    .describe(
      'id: the sequence number, or the position; event: the kind, or sealed; data: the entry as JSON (LedgerEvent)',
    ),
  `id: 812\nevent: promotion\ndata: {"sequence":812,"digest":"${CHECKSUM}","hash":"${HASH}"}\n\n`,
)
