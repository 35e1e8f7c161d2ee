import type { IncomingMessage } from 'node:http'
import { guardedLookup, refusalOfAddress } from '../guarded-lookup.ts'
import type { AddressGuard } from '../guarded-lookup.ts'
import { networkFault } from '../network-fault.ts'

/** The result of one attempt. */
export interface Receipt {
  /** `gone`: the receiver wants no further messages. */
  readonly verdict: 'accepted' | 'failed' | 'gone'
  /** Absent if there was no answer. */
  readonly status?: number
  /** Why the receiver did not accept the message. */
  readonly error?: string
  /** The beginning of the answer's body. */
  readonly excerpt: string
  readonly durationMs: number
  /** The receiver's `Retry-After`. */
  readonly retryAfterMs?: number
}

/** A message to POST, with its signature among the headers. */
export interface Message {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The setting that lets webhooks reach addresses that are not public. */
export const WEBHOOK_NETWORKS = 'DEPOT_WEBHOOK_NETWORKS'

export interface SendOptions extends Omit<AddressGuard, 'setting'> {
  now(): number
  /** Calls `act` after `ms` milliseconds. The returned function cancels the call. */
  after(ms: number, act: () => void): () => void
  /** The limit for the whole attempt, from the lookup to the last byte. */
  readonly timeoutMs: number
}

// An import statement would load all of fetch with node:http, which takes a tenth of the depot's start.
const { request: requestPlainly } = process.getBuiltinModule('node:http')
const { request: requestSecurely } = process.getBuiltinModule('node:https')
const EXCERPT_BYTES = 1_024
const MAX_HEADER_BYTES = 16 * 1_024

/**
 * POSTs a message and returns the result; never rejects. The receiver may be hostile. The address is
 * therefore checked when the connection is made, so that a name cannot point elsewhere later; redirects are
 * not followed; the time is limited; and at most 1 KiB of the body is read. A 2xx counts once its headers
 * have arrived, however the body ends. `signal` aborts the attempt.
 */
export function send(message: Message, options: SendOptions, signal: AbortSignal): Promise<Receipt> {
  const { promise, resolve } = Promise.withResolvers<Receipt>()
  const begun = performance.now()
  const guard = { ...options, setting: WEBHOOK_NETWORKS }
  const elapsed = () => Math.round(performance.now() - begun)
  const fail = (error: string) => resolve({ verdict: 'failed', error, excerpt: '', durationMs: elapsed() })
  const forbidden = refusalOfAddress(message.url, guard)
  if (forbidden !== undefined) fail(forbidden)
  else {
    const request = message.url.protocol === 'https:' ? requestSecurely : requestPlainly
    const client = request(message.url, {
      method: 'POST',
      headers: { ...message.headers, 'content-length': Buffer.byteLength(message.body) },
      agent: false, // opens a connection for this request alone
      lookup: guardedLookup(guard),
      maxHeaderSize: MAX_HEADER_BYTES,
      signal,
    })
    const cancel = options.after(options.timeoutMs, () =>
      client.destroy(new Error(`not answered within ${options.timeoutMs / 1_000} s`)),
    )
    let isAnswered = false
    client.once('response', (answer) => {
      isAnswered = true
      readExcerpt(answer, (excerpt) => {
        resolve({ ...interpret(answer, options.now()), excerpt, durationMs: elapsed() })
        client.destroy()
      })
    })
    // Once an answer has begun, its status counts.
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

/** Returns what the status and the headers of an answer mean. */
function interpret(
  answer: IncomingMessage,
  now: number,
): Pick<Receipt, 'verdict' | 'status' | 'error' | 'retryAfterMs'> {
  const { statusCode: status = 0 } = answer
  if (status >= 200 && status < 300) return { verdict: 'accepted', status }
  if (status === 410) return { verdict: 'gone', status, error: 'answered 410: it is gone' }
  if (status >= 300 && status < 400)
    return { verdict: 'failed', status, error: `answered ${status}: redirects are not followed` }
  const retryAfterMs =
    status === 429 || status === 503 ? parseRetryAfter(answer.headers['retry-after'], now) : undefined
  return {
    verdict: 'failed',
    status,
    error: `answered ${status}`,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  }
}

/** Parses `Retry-After` (RFC 9110 10.2.3), seconds or a date in GMT, to milliseconds from now. */
function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1_000
  const date = header.endsWith(' GMT') ? Date.parse(header) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(date - now, 0)
}

/**
 * Calls `done` at the end of the body, after an error, and once the excerpt is full: perhaps more than once.
 */
function readExcerpt(answer: IncomingMessage, done: (excerpt: string) => void): void {
  const chunks: Buffer[] = []
  let length = 0
  const finish = () =>
    done(Buffer.concat(chunks).subarray(0, EXCERPT_BYTES).toString('utf8').replaceAll('\0', '\u{fffd}'))
  answer.on('data', (chunk: Buffer) => {
    if (length >= EXCERPT_BYTES) return
    chunks.push(chunk)
    length += chunk.length
    if (length >= EXCERPT_BYTES) finish()
  })
  answer.on('error', finish)
  answer.once('close', finish)
}
