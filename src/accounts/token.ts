import { hash, randomBytes } from 'node:crypto'
import { DepotError, quote } from '../errors.ts'
import { beginsWithRealDay } from '../text/period.ts'

const PREFIX = 'hart_' // lets scanners find tokens that leaked into logs or repositories
const SECRET_BYTES = 32

/** Generates a token: `hart_` and 32 random bytes in base64url. */
export function generateToken(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64url')
}

/** Returns the stored digest of a token. Tokens are long and random, so a plain digest is enough. */
export function hashToken(token: string): string {
  return hash('sha256', token, 'hex')
}

const MAX_LIFETIME_YEARS = 200
const MAX_LIFETIME_MS = MAX_LIFETIME_YEARS * 366 * 86_400_000

/** Milliseconds. */
const UNITS: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 365 * 86_400_000,
}

/**
 * Parses `90d`, `12h`, a date such as `2027-01-31`, or a date with a time to epoch milliseconds after `now`.
 * Dates, and times without a zone, are UTC. Throws `invalid_request`.
 */
export function parseExpiry(text: string, now: number): number {
  const [, amount, unit = ''] = /^(\d{1,5})([mhdwy])$/.exec(text) ?? []
  const at =
    amount === undefined
      ? Date.parse(/^\d{4}-\d{2}-\d{2}(T|$)/.test(text) ? inUtc(text) : '')
      : now + Number(amount) * (UNITS[unit] ?? 0)
  if (Number.isNaN(at) || (amount === undefined && !beginsWithRealDay(text)))
    throw new DepotError(
      'invalid_request',
      `${quote(text)} is not an expiry: write 90d, 12h, 30m, 4w, 1y, or a date such as 2027-01-31`,
    )
  if (at <= now) throw new DepotError('invalid_request', `the expiry ${quote(text)} is in the past`)
  if (at > now + MAX_LIFETIME_MS)
    throw new DepotError(
      'invalid_request',
      `the expiry ${quote(text)} is more than ${MAX_LIFETIME_YEARS} years away: a token without an expiry never expires`,
    )
  return at
}

/** Adds `Z` to a time without a zone, because `Date.parse` would read it in the zone of the server. */
function inUtc(text: string): string {
  return /T[\d:.]+$/.test(text) ? `${text}Z` : text
}
