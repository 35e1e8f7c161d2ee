import { DepotError, quote } from '../errors.ts'
import { originsOf } from '../ledger/entry.ts'
import type { LedgerEvent } from '../ledger/entry.ts'
import { matchesKindAndView } from '../events/entry-filter.ts'
import type { EntryFilter } from '../events/entry-filter.ts'
import type { Progress } from './progress.ts'

/** A receiver of ledger entries, in order. */
export interface Webhook {
  readonly name: string
  /** Random, and part of every `webhook-id`. */
  readonly key: string
  /** The host of the URL. The rest of the URL may be a secret. */
  readonly host: string
  readonly sealedUrl: string
  readonly sealedSecret: string
  /** The previous secret, while it still signs. */
  readonly previous: { readonly sealedSecret: string; readonly until: number } | undefined
  readonly filter: EntryFilter
  /** The account that created the webhook; absent if the command line did. */
  readonly maker: string | undefined
  /** Increases with every change by an administrator. */
  readonly version: number
  readonly createdAt: number
  readonly progress: Progress
}

/** The fields of a webhook that its creator sets. */
export type WebhookSettings = Pick<Webhook, 'name' | 'key' | 'host' | 'sealedUrl' | 'sealedSecret' | 'filter'>

/** A stored attempt to deliver an entry. */
export interface Delivery {
  readonly sequence: number
  /** 1 for the first. */
  readonly attempt: number
  readonly at: number
  readonly durationMs: number
  /** Absent if the receiver did not answer. */
  readonly status: number | undefined
  /** Why the attempt failed; `undefined` if it did not. */
  readonly error: string | undefined
  /** The beginning of the answer's body. */
  readonly excerpt: string
}

export const MAX_WEBHOOKS = 100
export const MAX_FILTER_NAMES = 100
/** The number of attempts that are kept for one webhook. */
export const KEPT_DELIVERIES = 1_000
/** How long the previous secret still signs. */
export const PREVIOUS_SECRET_MS = 24 * 3_600_000

const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/
export const MAX_URL_LENGTH = 2_000

/** Parses the name of a webhook. Throws `invalid_request`. */
export function parseWebhookName(text: string): string {
  if (NAME.test(text)) return text
  throw new DepotError(
    'invalid_request',
    `${quote(text)} is not a webhook's name: lower-case letters, digits, _ and -, at most 64`,
  )
}

/**
 * Parses the URL of a receiver. The address of its host is checked at each connection. Any port is allowed:
 * anyone may POST to a public address, and the operator must allow all other addresses. Throws
 * `invalid_request`.
 */
export function parseWebhookUrl(text: string): URL {
  const url = URL.parse(text)
  if (url === null || text.length > MAX_URL_LENGTH)
    throw new DepotError(
      'invalid_request',
      `the URL is not valid, or is longer than ${MAX_URL_LENGTH} characters`,
    )
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new DepotError(
      'invalid_request',
      `the URL must begin with https: or http:, not ${quote(url.protocol)}`,
    )
  if (url.username !== '' || url.password !== '')
    throw new DepotError(
      'invalid_request',
      'the URL must not contain a user or password: verify the signature instead',
    )
  if (url.hash !== '')
    throw new DepotError('invalid_request', 'the URL must not have a fragment, which is never sent')
  return url
}

/**
 * Returns a function that tests events against a filter. Callers that test one event against several filters
 * can pass `originsOfEvent`, which computes the origins of the event once.
 */
export function matcherOf(
  filter: EntryFilter,
): (event: LedgerEvent, originsOfEvent?: () => ReadonlySet<string>) => boolean {
  const { origins } = filter
  return (event, originsOfEvent = () => originsOf(event)) =>
    matchesKindAndView(event, filter) &&
    (origins === undefined || origins.some((origin) => originsOfEvent().has(origin)))
}

/**
 * Returns the message id of an entry. All attempts and replays share it, so that receivers can drop
 * duplicates.
 */
export function messageId(key: string, sequence: number): string {
  return `msg_${key}_${sequence}`
}
