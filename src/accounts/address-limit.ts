import { isIP } from 'node:net'
import { DepotError } from '../errors.ts'
import { counted } from '../text/counted.ts'

/** The maximum number of remembered addresses. Each takes about 150 bytes. */
const MAX_ADDRESSES = 10_000
const MINUTE_MS = 60_000

/** A token bucket, measured in time. A full bucket has one minute. */
interface Bucket {
  creditMs: number
  /** The time for which `creditMs` holds. */
  at: number
}

/**
 * Limits how often an address may do something that costs the depot, with a token bucket for each address.
 * All IPv6 addresses of a /64 count as one, because one customer usually has a whole /64.
 */
export class AddressLimit {
  readonly #now: () => number
  readonly #what: string
  /** The credit that one count costs. */
  readonly #costMs: number
  readonly #maxAddresses: number
  /** In order of the last count, oldest first. */
  readonly #buckets = new Map<string, Bucket>()

  /**
   * Each address may be counted `perMinute` times at once, and then `perMinute` times a minute. `what` names
   * what is counted, in the plural.
   */
  constructor(
    now: () => number,
    {
      what,
      perMinute,
      maxAddresses = MAX_ADDRESSES,
    }: { what: string; perMinute: number; maxAddresses?: number },
  ) {
    this.#now = now
    this.#what = what
    this.#costMs = MINUTE_MS / perMinute
    this.#maxAddresses = maxAddresses
  }

  /** Counts one attempt of an address. Returns the error `too_many_attempts` if there were too many. */
  count(address: string): DepotError | undefined {
    const key = networkOf(address)
    const bucket = this.#refilled(key)
    this.#buckets.delete(key)
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined && this.#buckets.size >= this.#maxAddresses) this.#buckets.delete(oldest)
    this.#buckets.set(key, bucket)
    if (bucket.creditMs < this.#costMs) {
      const retryAfterSeconds = Math.ceil((this.#costMs - bucket.creditMs) / 1000)
      return new DepotError(
        'too_many_attempts',
        `too many ${this.#what} came from ${key}: try again in ${counted(retryAfterSeconds, 'second')}`,
        { retryAfterSeconds },
      )
    }
    bucket.creditMs -= this.#costMs
    return undefined
  }

  /** Returns the bucket of an address with the credit that it has now. */
  #refilled(key: string): Bucket {
    const now = this.#now()
    const { creditMs, at } = this.#buckets.get(key) ?? { creditMs: MINUTE_MS, at: now }
    // A clock that was set back adds no credit.
    return { creditMs: Math.min(MINUTE_MS, creditMs + Math.max(0, now - at)), at: now }
  }
}

/**
 * Returns an IPv4 address, the /64 of an IPv6 address, or `an unknown address` for any other text from a
 * proxy.
 */
export function networkOf(address: string): string {
  const [plain = ''] = address.split('%', 1) // without the zone of a link-local address
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain) ?? []
  if (mapped !== undefined) return mapped
  switch (isIP(plain)) {
    case 4:
      return plain
    case 6:
      return `${groupsOf(plain).slice(0, 4).join(':')}::/64`
    default:
      return 'an unknown address'
  }
}

/** Returns the eight groups of an IPv6 address, without leading zeros. */
function groupsOf(address: string): string[] {
  const [head = '', tail] = address.replace(/\d+\.\d+\.\d+\.\d+$/, '0:0').split('::')
  if (tail === undefined) return split(head)
  const [first, last] = [split(head), split(tail)]
  return [...first, ...Array.from({ length: 8 - first.length - last.length }, () => '0'), ...last]
}

function split(groups: string): string[] {
  return groups === '' ? [] : groups.split(':').map((group) => Number.parseInt(group, 16).toString(16))
}
