import { isIP } from 'node:net'
import { DepotError } from '../errors.ts'

/** The addresses that failed last are remembered. One costs about 150 bytes. */
const MOST_ADDRESSES = 10_000
const MINUTE_MS = 60_000

/** A minute's worth of failures at most, as the time in which they would be earned. */
interface Bucket {
  creditMs: number
  /** When the credit was right. */
  at: number
}

/**
 * Limits how often an address may send a wrong token, with a token bucket for each address. It knows nothing of other requests: a whole
 * site may share one address, so anonymous requests and those with a valid token never come here. IPv6 addresses count by their /64,
 * which is what one customer has.
 */
export class GuessLimit {
  readonly #now: () => number
  readonly #costMs: number
  readonly #mostAddresses: number
  /** The one that failed least recently comes first. */
  readonly #buckets = new Map<string, Bucket>()

  /** An address may fail `perMinute` times at once, and so often a minute from then on. */
  constructor(
    now: () => number,
    { perMinute, mostAddresses = MOST_ADDRESSES }: { perMinute: number; mostAddresses?: number },
  ) {
    this.#now = now
    this.#costMs = MINUTE_MS / perMinute
    this.#mostAddresses = mostAddresses
  }

  /** Notes a wrong token. Returns `too_many_attempts`, the refusal to answer with, when the address sent too many. */
  note(address: string): DepotError | undefined {
    const key = networkOf(address)
    const bucket = this.#refilled(key)
    this.#buckets.delete(key)
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined && this.#buckets.size >= this.#mostAddresses) this.#buckets.delete(oldest)
    this.#buckets.set(key, bucket)
    if (bucket.creditMs < this.#costMs) {
      const retryAfterSeconds = Math.ceil((this.#costMs - bucket.creditMs) / 1000)
      return new DepotError(
        'too_many_attempts',
        `too many requests with a wrong token came from ${key}: try again in ${retryAfterSeconds} seconds`,
        { retryAfterSeconds },
      )
    }
    bucket.creditMs -= this.#costMs
    return undefined
  }

  #refilled(key: string): Bucket {
    const now = this.#now()
    const { creditMs, at } = this.#buckets.get(key) ?? { creditMs: MINUTE_MS, at: now }
    // A clock that was put back gives nothing.
    return { creditMs: Math.min(MINUTE_MS, creditMs + Math.max(0, now - at)), at: now }
  }
}

/** An IPv4 address; the first four groups of an IPv6 address; one name for everything that a proxy forwards instead of an address. */
export function networkOf(address: string): string {
  const [plain = ''] = address.split('%', 1) // less the zone of a link-local one
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

/** The eight groups of an IPv6 address, without leading zeros. */
function groupsOf(address: string): string[] {
  const [head = '', tail] = address.replace(/\d+\.\d+\.\d+\.\d+$/, '0:0').split('::')
  if (tail === undefined) return split(head)
  const [first, last] = [split(head), split(tail)]
  return [...first, ...Array.from({ length: 8 - first.length - last.length }, () => '0'), ...last]
}

function split(groups: string): string[] {
  return groups === '' ? [] : groups.split(':').map((group) => Number.parseInt(group, 16).toString(16))
}
