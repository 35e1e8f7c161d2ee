import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { DepotError, quote } from '../../../errors.ts'
import { matchesFilter } from '../../../events/entry-filter.ts'
import type { EntryFilter } from '../../../events/entry-filter.ts'
import { KINDS, readerOf } from '../../../events/visibility.ts'
import { EVERYTHING } from '../../../following/feed.ts'
import type { Feed } from '../../../following/feed.ts'
import type { VisiblePage } from '../../../following/visible-pages.ts'
import { formatPosition, matchesMark, parsePosition } from '../../../ledger/position.ts'
import type { RouteContext } from '../../requests/request.ts'
import { deadlineOf, longPoll } from '../conventions/long-poll.ts'
import type { EventsQuery } from './shapes.ts'

const MAX_FILTER_NAMES = 100
/**
 * A waiting request answers after it has read this many pages without a match. The client continues from
 * there.
 */
const MAX_EMPTY_PAGES = 10

/**
 * Parses the filter of a query. Throws `invalid_request` for more than a hundred names in a parameter, an
 * empty name and an unknown kind.
 */
export function parseFilter(
  query: Pick<z.infer<typeof EventsQuery>, 'view' | 'origin' | 'kind'>,
): EntryFilter {
  const kinds = namesIn('kind', query.kind)
  const unknown = kinds?.find((kind) => !(KINDS as readonly string[]).includes(kind))
  if (unknown !== undefined)
    throw refusal('kind', `there is no kind ${quote(unknown)}; the kinds are ${KINDS.join(', ')}`)
  return { views: namesIn('view', query.view), origins: namesIn('origin', query.origin), kinds }
}

/**
 * Parses a sequence number or a position. Throws `other_history` for a position in another ledger, and
 * `conflict` for a number beyond the end. In both cases the client has read another ledger, for example this
 * one before an older copy was restored.
 */
export async function parsePlace(text: string, feed: Feed): Promise<number> {
  const position = parsePosition(text)
  const { number, mark } = position
  const { sequence } = feed.head
  if (number > sequence) {
    throw new DepotError(
      mark === undefined ? 'conflict' : 'other_history',
      `the ledger ends at ${sequence}, before ${text}: it is another ledger, or it was restored from an older copy`,
    )
  }
  if (mark === undefined) return number
  const hash = await feed.hashAt(number)
  if (hash !== undefined && matchesMark(position, hash)) return number
  throw new DepotError(
    'other_history',
    `entry ${number} does not have the hash in ${text}: the depot was restored from an older copy. Read again from an entry that both ledgers have`,
  )
}

/** Formats the position of an entry for clients. */
export async function positionAt(sequence: number, feed: Feed): Promise<string> {
  return formatPosition(sequence, { hash: (await feed.hashAt(sequence)) ?? '' })
}

/**
 * Returns the page after an entry. With `wait`, waits for a page with entries for this caller. The page is
 * empty, and says how far it has read, at the deadline, after {@link MAX_EMPTY_PAGES}, when the rights of the
 * caller change, and when the depot stops. Throws the errors of {@link longPoll}.
 */
export async function readOrAwaitPage(
  context: RouteContext,
  exchange: { request: FastifyRequest; reply: FastifyReply },
  options: { after: number; limit: number; filter: EntryFilter; wait?: number | undefined },
): Promise<VisiblePage> {
  const { feed, pages } = context
  const { limit, filter } = options
  const deadline = deadlineOf(options.wait)
  let { after } = options
  for (let left = MAX_EMPTY_PAGES; ; left -= 1) {
    const head = feed.head.sequence
    const page = await pages.read({ after, head, limit, filter }, readerOf(exchange.request.caller))
    after = page.through
    if (page.entries.length > 0 || deadline === undefined || left <= 1) return page
    if (after < head) continue
    const reason = await longPoll(context, exchange, {
      topic: EVERYTHING,
      wants: ({ event }) => matchesFilter(event, filter),
      after,
      deadline,
    })
    if (reason === 'left' || reason === 'closed') return page
    left = reason === 'committed' ? MAX_EMPTY_PAGES + 1 : 2 // one more page, to report how far nothing matched
  }
}

function namesIn(parameter: string, given: string | readonly string[] | undefined): string[] | undefined {
  if (given === undefined) return undefined
  const names = [...new Set([given].flat().flatMap((text) => text.split(',')))]
  if (names.length > MAX_FILTER_NAMES)
    throw refusal(
      parameter,
      `at most ${MAX_FILTER_NAMES} names, not ${names.length}: omit the parameter and filter the entries yourself`,
    )
  if (names.includes('')) throw refusal(parameter, 'a name is empty')
  return names
}

function refusal(parameter: string, detail: string): DepotError {
  return new DepotError('invalid_request', `${parameter}: ${detail}`, {
    parts: [{ detail, pointer: `/${parameter}` }],
  })
}
