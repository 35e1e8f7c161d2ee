import type { LookupAddress } from 'node:dns'
import { request as requestPlainly } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as requestSecurely } from 'node:https'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import { networkFault } from '../network-fault.ts'
import { hostOf } from '../text/address-ranges.ts'
import type { AddressRules } from '../text/address-ranges.ts'

/** What became of one attempt. */
export interface Receipt {
  /** `gone`: the receiver wants nothing ever again. */
  readonly verdict: 'accepted' | 'failed' | 'gone'
  /** Absent where no answer came. */
  readonly status?: number
  /** Why it was not accepted. */
  readonly error?: string
  /** How the body of the answer begins. */
  readonly excerpt: string
  readonly durationMs: number
  /** What the receiver asks to wait before the next one. */
  readonly retryAfterMs?: number
}

export interface Message {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Tells all addresses of a name, or why there are none. */
export type Lookup = (
  hostname: string,
  done: (error: Error | null, addresses: LookupAddress[]) => void,
) => void

export interface Surroundings {
  readonly rules: AddressRules
  readonly lookup: Lookup
  now(): number
  /** Calls `act` after so many milliseconds, unless what it returns is called before. */
  after(ms: number, act: () => void): () => void
  /** From name to last byte. */
  readonly timeoutMs: number
}

const EXCERPT_BYTES = 1_024
const MOST_HEADER_BYTES = 16 * 1_024

/**
 * POSTs a message and says what became of it; never rejects. The receiver is hostile: each address is judged when it is connected
 * to, so that a name may not point elsewhere later; nothing is followed; the whole takes a limited time; of the answer's body a
 * kilobyte is read, and then the connection is cut. A 2xx counts from its headers on, however its body ends. `signal` breaks it off.
 */
export function send(message: Message, world: Surroundings, signal: AbortSignal): Promise<Receipt> {
  const { promise, resolve } = Promise.withResolvers<Receipt>()
  const begun = performance.now()
  const host = hostOf(message.url)
  const elapsed = () => Math.round(performance.now() - begun)
  const fail = (error: string) => resolve({ verdict: 'failed', error, excerpt: '', durationMs: elapsed() })
  // A literal address is connected to without being looked up.
  if (isIP(host) !== 0 && !world.rules.allows(host)) fail(refusalOf(host, [host]))
  else {
    const request = message.url.protocol === 'https:' ? requestSecurely : requestPlainly
    const client = request(message.url, {
      method: 'POST',
      headers: { ...message.headers, 'content-length': Buffer.byteLength(message.body) },
      agent: false, // a connection of its own, closed afterwards
      lookup: guarded(world),
      maxHeaderSize: MOST_HEADER_BYTES,
      signal,
    })
    const cancel = world.after(world.timeoutMs, () =>
      client.destroy(new Error(`not answered within ${world.timeoutMs / 1_000} s`)),
    )
    let isAnswered = false
    client.once('response', (answer) => {
      isAnswered = true
      readExcerpt(answer, (excerpt) => {
        resolve({ ...judge(answer, world.now()), excerpt, durationMs: elapsed() })
        client.destroy()
      })
    })
    // Once an answer has begun, its status is what counts.
    client.on('error', (error) => {
      if (!isAnswered) fail(networkFault(error))
    })
    client.once('close', () => {
      cancel()
      if (!isAnswered) fail('closed without an answer')
    })
    client.end(message.body)
  }
  return promise
}

/** Refuses a name none of whose addresses may be reached, and drops those of the others that may not. */
function guarded({ rules, lookup }: Surroundings): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, (error, addresses) => {
      if (error !== null) return callback(error, [])
      const reachable = addresses.filter(({ address }) => rules.allows(address))
      const [first] = reachable
      if (first === undefined)
        callback(
          new Error(
            refusalOf(
              hostname,
              addresses.map(({ address }) => address),
            ),
          ),
          [],
        )
      else if (options.all === true) callback(null, reachable)
      else callback(null, first.address, first.family)
    })
  }
}

/** Why addresses are not connected to. */
export function refusalOf(host: string, addresses: readonly string[]): string {
  const where = addresses.join(', ') === host ? host : `${host} (${addresses.join(', ') || 'no address'})`
  return `${where} is not a public address, and DEPOT_WEBHOOK_NETWORKS does not allow it`
}

function judge(
  answer: IncomingMessage,
  now: number,
): Pick<Receipt, 'verdict' | 'status' | 'error' | 'retryAfterMs'> {
  const { statusCode: status = 0 } = answer
  if (status >= 200 && status < 300) return { verdict: 'accepted', status }
  if (status === 410) return { verdict: 'gone', status, error: 'answered 410: it is gone' }
  if (status >= 300 && status < 400)
    return { verdict: 'failed', status, error: `answered ${status}: redirects are not followed` }
  const retryAfterMs =
    status === 429 || status === 503 ? waitOf(answer.headers['retry-after'], now) : undefined
  return {
    verdict: 'failed',
    status,
    error: `answered ${status}`,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  }
}

/** RFC 9110 10.2.3: seconds, or a date, in the form that is sent since 1995. */
function waitOf(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1_000
  const date = header.endsWith(' GMT') ? Date.parse(header) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(date - now, 0)
}

/** Tells at the body's end, however that comes, or once there is enough of it. */
function readExcerpt(answer: IncomingMessage, done: (excerpt: string) => void): void {
  const pieces: Buffer[] = []
  let length = 0
  const finish = () =>
    done(Buffer.concat(pieces).subarray(0, EXCERPT_BYTES).toString('utf8').replaceAll('\0', '\u{fffd}'))
  answer.on('data', (piece: Buffer) => {
    if (length >= EXCERPT_BYTES) return
    pieces.push(piece)
    length += piece.length
    if (length >= EXCERPT_BYTES) finish()
  })
  answer.on('error', finish)
  answer.once('close', finish)
}
