import { Readable } from 'node:stream'
import { networkFault } from '../network-fault.ts'
import { RemoteError } from './remote-error.ts'

/**
 * Makes one request. Rejects with a TypeError whose cause says why there was no answer. The caller reads the
 * body to its end or destroys it. Names of headers are in lower case.
 */
export type Fetch = (url: string, outgoing: Outgoing) => Promise<Answer>

/** An answer whose headers have arrived. */
export interface Answer {
  readonly status: number
  readonly header: (name: string) => string | undefined
  readonly body: Readable
}

export interface Outgoing {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Blob | undefined
}

/** The longest text, and the time in which it must arrive. */
const MAX_TEXT_BYTES = 16 * 1024 * 1024
const MAX_TEXT_MS = 120_000
/** The longest pause that a depot can ask for with `Retry-After`. */
const MAX_PAUSE_MS = 300_000

/** Makes requests with the `fetch` of Node, which follows redirects. */
export const fetchPlainly: Fetch = async (url, outgoing) => {
  const { status, headers, body } = await fetch(url, outgoing as RequestInit)
  return {
    status,
    header: (name) => headers.get(name) ?? undefined,
    body: body === null ? Readable.from([]) : Readable.fromWeb(body),
  }
}

/**
 * Reads the text of an answer that is not a package. Rejects like {@link Fetch} if the connection breaks or
 * the text takes too long, and with a {@link RemoteError} if the text is too long.
 */
export async function readText(body: Readable): Promise<string> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  const timer = setTimeout(() => body.destroy(new Error('the answer did not end in time')), MAX_TEXT_MS)
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      sizeBytes += chunk.length
      if (sizeBytes > MAX_TEXT_BYTES)
        throw new RemoteError('refused', `an answer is longer than ${MAX_TEXT_BYTES} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof TypeError || error instanceof RemoteError) throw error
    throw new TypeError('terminated', { cause: error })
  } finally {
    clearTimeout(timer)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Returns the pause that `Retry-After` asks for, in milliseconds. A date is ignored. */
export function retryAfterMs({ header }: Answer): number | undefined {
  const seconds = header('retry-after') ?? ''
  return /^\d{1,9}$/.test(seconds) ? Math.min(Number(seconds) * 1_000, MAX_PAUSE_MS) : undefined
}

/** Says why there was no answer, as part of a sentence. */
export function noAnswerReason(error: unknown): string {
  if (isConnectionError(error) && error.cause instanceof Error) return networkFault(error.cause)
  return error instanceof Error ? networkFault(error) : 'the connection failed'
}

/** Reports whether `fetch` failed because of the connection: it then throws a TypeError with a cause. */
export function isConnectionError(error: unknown): error is TypeError {
  return error instanceof TypeError && error.cause !== undefined
}
