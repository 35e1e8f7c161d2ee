import { DepotError, quote } from '../errors.ts'
import { originsOf } from '../ledger/entry.ts'
import type { LedgerEvent } from '../ledger/entry.ts'
import { matchesKindAndView } from '../events/entry-filter.ts'
import type { EntryFilter } from '../events/entry-filter.ts'
import type { Progress } from './progress.ts'

/** A receiver that is told what happens, entry by entry, in the order of the ledger. */
export interface Webhook {
  readonly name: string
  /** Random, and part of every `webhook-id`. */
  readonly key: string
  readonly host: string
  readonly sealedUrl: string
  readonly sealedSecret: string
  /** The secret before that, while it signs too. */
  readonly previous: { readonly sealedSecret: string; readonly until: number } | undefined
  readonly filter: EntryFilter
  /** The account's name; absent where the depot's own shell made it. */
  readonly maker: string | undefined
  /** Rises with every change that was asked for. */
  readonly version: number
  readonly createdAt: number
  readonly progress: Progress
}

/** One attempt, as it is kept. */
export interface Delivery {
  readonly sequence: number
  /** 1 for the first. */
  readonly attempt: number
  readonly at: number
  readonly durationMs: number
  /** Absent where no answer came. */
  readonly status: number | undefined
  /** Why it was not accepted. */
  readonly error: string | undefined
  /** How the body of the answer begins. */
  readonly excerpt: string
}

export const MOST_WEBHOOKS = 100
export const MOST_FILTER_NAMES = 100
export const KEPT_DELIVERIES = 1_000
/** How long the secret before the last one still signs. */
export const PREVIOUS_SECRET_MS = 24 * 3_600_000

const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/
const LONGEST_URL = 2_000

/** Throws `invalid_request`. */
export function parseWebhookName(text: string): string {
  if (NAME.test(text)) return text
  throw new DepotError(
    'invalid_request',
    `${quote(text)} is not a webhook's name: lower-case letters, digits, _ and -, at most 64`,
  )
}

/**
 * A URL that could be a receiver's; whether its address may be reached is decided when it is connected to. Any port may be: what is
 * public may be sent a POST by anyone, and what is not is the operator's to allow. Throws `invalid_request`.
 */
export function parseWebhookUrl(text: string): URL {
  const url = URL.parse(text)
  if (url === null || text.length > LONGEST_URL)
    throw new DepotError('invalid_request', `the URL is none, or is longer than ${LONGEST_URL} characters`)
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new DepotError(
      'invalid_request',
      `the URL must be one of https or http, not ${quote(url.protocol)}`,
    )
  if (url.username !== '' || url.password !== '')
    throw new DepotError(
      'invalid_request',
      'the URL must not hold a user or password: verify the signature instead',
    )
  if (url.hash !== '')
    throw new DepotError('invalid_request', 'the URL must not have a fragment, which is never sent')
  return url
}

/** Whether a filter takes an event. Whoever asks of several filters hands over the event's origins, looked up once. */
export function matcherOf(
  filter: EntryFilter,
): (event: LedgerEvent, originsOfIt?: () => ReadonlySet<string>) => boolean {
  const { origins } = filter
  return (event, originsOfIt = () => originsOf(event)) =>
    matchesKindAndView(event, filter) &&
    (origins === undefined || origins.some((origin) => originsOfIt().has(origin)))
}

/** What the sealed URL and secrets are bound to. */
export function urlPurpose(key: string): string {
  return `webhook url ${key}`
}

export function secretPurpose(key: string): string {
  return `webhook secret ${key}`
}

/** The same for every attempt at an entry, and for its replays, so that a receiver can drop what it has. */
export function messageId(key: string, sequence: number): string {
  return `msg_${key}_${sequence}`
}
