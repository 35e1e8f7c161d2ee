import { once } from 'node:events'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { Agent as HttpAgent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import { text } from 'node:stream/consumers'
import { networkFault } from '../network-fault.ts'
import type { FileBody, RawBody } from './call.ts'
import { FileChanged, NotADepot, RequestRefused, Unreachable } from './errors.ts'
import type { UnreachableReason } from './errors.ts'

// Sends HTTP requests, and repeats those that failed. fetch would take longer to load than `hart-depot
// whoami` may take. An import statement for node:http would load fetch, too, and node:https loads TLS. So
// each client loads only the one that it needs.

export interface TransportOptions {
  /** Everything before `/v1` and `/api`. */
  readonly base: string
  readonly token?: string | undefined
  /** How to replace the token, for {@link RequestRefused.tokenAdvice}. */
  readonly tokenAdvice?: string | undefined
  readonly userAgent: string
  /** How often a request is repeated after a failure that may be temporary. */
  readonly retries: number
  /** Waits before a repetition, because of an error. Rejects when the signal is aborted. */
  readonly pause: (ms: number, signal?: AbortSignal, error?: unknown) => Promise<unknown>
  /** How long the depot may send nothing. */
  readonly idleMs: number
  /**
   * The environment in which HTTP_PROXY, HTTPS_PROXY and NO_PROXY are looked up. By default, no proxy is
   * used.
   */
  readonly proxyEnv?: NodeJS.ProcessEnv | undefined
  /** Certificates of authorities to trust in addition to the usual ones, in PEM. */
  readonly ca?: string | undefined
}

export interface Outgoing {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: RawBody | undefined
  /** Whether executing it twice has the effect of executing it once. */
  readonly isRepeatable: boolean
  /** Whether the token is left out. */
  readonly isAnonymous?: boolean | undefined
  /** Whether 404 is an answer like others. */
  readonly mayBeAbsent?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((sentBytes: number) => void) | undefined
  /** How much longer than usual the depot may send nothing. */
  readonly extraIdleMs?: number
}

const PIECE_BYTES = 256 * 1024
const PAUSES_MS = [250, 1_000, 2_500, 5_000, 10_000]
const MAX_PAUSE_MS = 60_000
const MAX_PROBLEM_BYTES = 1024 * 1024
/** The maximum number of characters of an answer that a message shows. */
const MAX_SHOWN_LENGTH = 200
/** Statuses after which the depot has done nothing, so any request may be repeated. */
const NOTHING_DONE: readonly number[] = [429, 503]
/** Statuses of proxies in front of the depot, which may have forwarded the request. */
const MAYBE_DONE: readonly number[] = [408, 502, 504]
/** Reasons for which the request was never sent. */
const NEVER_SENT: readonly UnreachableReason[] = ['refused', 'dns']

/** Sends the requests of one client, on connections that are kept open. */
export class Transport {
  readonly #options: TransportOptions
  readonly #base: URL
  readonly #agent: HttpAgent
  readonly #request: (url: URL, options: RequestOptions) => ClientRequest

  constructor(options: TransportOptions) {
    this.#options = options
    this.#base = new URL(options.base)
    const { proxyEnv, ca } = options
    const settings = { keepAlive: true, ...(proxyEnv && { proxyEnv }) }
    if (this.#base.protocol === 'https:') {
      const https = process.getBuiltinModule('node:https')
      this.#agent = new https.Agent({
        ...settings,
        ...(ca !== undefined && { ca: [...usualAuthorities(), ca] }),
      })
      this.#request = https.request
    } else {
      const http = process.getBuiltinModule('node:http')
      this.#agent = new http.Agent(settings)
      this.#request = http.request
    }
  }

  /** Closes unused connections. */
  close(): void {
    this.#agent.destroy()
  }

  /**
   * Resolves with a successful answer, whose body the caller must read or destroy. Repeats the request after
   * failures that may be temporary. Throws {@link RequestRefused}, {@link Unreachable} and {@link NotADepot}.
   */
  async send(outgoing: Outgoing): Promise<IncomingMessage> {
    return this.#repeat(outgoing, async () => this.#sendOnce(outgoing))
  }

  /** Like {@link send}, and reads the body. Repeats the request also if the body breaks off. */
  async sendForText(outgoing: Outgoing): Promise<string> {
    return this.#repeat(outgoing, async () => this.textOf(await this.#sendOnce(outgoing), outgoing.signal))
  }

  /** Reads the body of an answer. Throws {@link Unreachable} if it breaks off. */
  async textOf(answer: IncomingMessage, signal: AbortSignal | undefined): Promise<string> {
    try {
      return await text(answer)
    } catch (error) {
      throw this.#faultOf(error, signal)
    }
  }

  async #repeat<Answer>(outgoing: Outgoing, attempt: () => Promise<Answer>): Promise<Answer> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await attempt()
      } catch (error) {
        if (tries >= this.#options.retries || !mayRepeat(outgoing, error)) throw error
        await this.#options.pause(pauseBefore(tries, error), outgoing.signal, error)
      }
    }
  }

  async #sendOnce(outgoing: Outgoing): Promise<IncomingMessage> {
    const answer = await this.#exchange(outgoing)
    const status = answer.statusCode ?? 0
    if ((status >= 200 && status < 300) || (status === 404 && outgoing.mayBeAbsent === true)) return answer
    throw await refusalOf(answer, this.#urlOf(outgoing).href, this.#options)
  }

  async #exchange(outgoing: Outgoing): Promise<IncomingMessage> {
    const { method, headers, body, signal, onProgress, extraIdleMs = 0 } = outgoing
    const { token, userAgent, idleMs } = this.#options
    const url = this.#urlOf(outgoing)
    const request = this.#request(url, {
      method,
      agent: this.#agent,
      ...(signal && { signal }),
      headers: {
        accept: 'application/json, application/problem+json',
        'user-agent': userAgent,
        ...(token !== undefined && outgoing.isAnonymous !== true && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && {
          'content-length': String(typeof body === 'string' ? Buffer.byteLength(body) : body.size),
        }),
        ...headers,
      },
    })
    request.setTimeout(idleMs + extraIdleMs, () =>
      request.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })),
    )
    if (body === undefined || typeof body === 'string') request.end(body)
    else void sendFile(body, request, onProgress)
    try {
      const [answer] = (await once(request, 'response')) as [IncomingMessage]
      // The request also emits errors that come while the answer is read. Without a listener, they would end
      // the process.
      request.on('error', (error) => answer.destroy(error))
      return answer
    } catch (error) {
      if (error instanceof BodyFault) throw error.cause
      throw this.#faultOf(error, signal)
    }
  }

  #faultOf(error: unknown, signal: AbortSignal | undefined): unknown {
    return signal?.aborted === true ? signal.reason : this.#unreachable(error as NodeJS.ErrnoException)
  }

  #urlOf({ path }: Outgoing): URL {
    return new URL(`${this.#base.pathname.replace(/\/$/, '')}${path}`, this.#base)
  }

  #unreachable(error: NodeJS.ErrnoException): Unreachable {
    return new Unreachable(
      reasonOf(error.code ?? ''),
      `${this.#base.host} cannot be reached: ${networkFault(error)}`,
      {
        cause: error,
      },
    )
  }
}

/** An error of reading a body, as opposed to an error of the connection. */
class BodyFault extends Error {}

/**
 * Sends a file as the body of a request, at the rate of the connection. Fills two buffers in turn: a stream
 * would use new memory for each piece, which takes longer than sending the piece. Stops when the request is
 * closed, because the depot closes the connection after an early answer. Destroys the request if the file
 * cannot be read or has become shorter.
 */
async function sendFile(
  { path, size }: FileBody,
  request: ClientRequest,
  onProgress?: (sentBytes: number) => void,
): Promise<void> {
  const closed = once(request, 'close').catch(() => undefined)
  let file: FileHandle | undefined
  try {
    file = await open(path)
    const buffers = [Buffer.allocUnsafe(PIECE_BYTES), Buffer.allocUnsafe(PIECE_BYTES)] as const
    let sentBytes = 0
    let writing: Promise<unknown> = Promise.resolve()
    for (let turn = 0; !request.destroyed; turn = 1 - turn) {
      const buffer = buffers[turn] ?? buffers[0]
      const { bytesRead } = await file.read(buffer, 0, Math.min(PIECE_BYTES, size - sentBytes))
      await Promise.race([writing, closed])
      if (bytesRead === 0) break
      writing = writePiece(request, buffer.subarray(0, bytesRead))
      sentBytes += bytesRead
      onProgress?.(sentBytes)
    }
    // The depot would wait for the rest of a file that has become shorter.
    if (sentBytes < size && !request.destroyed) throw new FileChanged(path)
    request.end()
  } catch (error) {
    request.destroy(new BodyFault('the body cannot be read', { cause: error }))
  } finally {
    await file?.close()
  }
}

/** Resolves when the piece is sent or the request is closed. */
async function writePiece(request: ClientRequest, piece: Buffer): Promise<void> {
  return new Promise((resolve) => {
    request.write(piece, () => resolve()) // an error closes the request, too
  })
}

function reasonOf(code: string): UnreachableReason {
  if (code === 'ECONNREFUSED') return 'refused'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'EAI_FAIL' || code === 'ENODATA') return 'dns'
  if (/CERT|SSL|TLS|EPROTO|SIGNATURE/.test(code)) return 'tls'
  if (code === 'ETIMEDOUT') return 'timeout'
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'cut'
  return 'other'
}

/** Returns the certificates that Node trusts. An agent with certificates of its own trusts no others. */
function usualAuthorities(): readonly string[] {
  const { getCACertificates, rootCertificates } = process.getBuiltinModule('node:tls')
  // Node 20 does not have the function.
  return (getCACertificates as typeof getCACertificates | undefined)?.('default') ?? rootCertificates
}

/** Reports whether a failed request may be sent again: it was not executed, or may be executed twice. */
function mayRepeat({ isRepeatable, signal }: Outgoing, error: unknown): boolean {
  if (signal?.aborted === true) return false
  // An invalid certificate stays invalid.
  if (error instanceof Unreachable)
    return error.reason !== 'tls' && (isRepeatable || NEVER_SENT.includes(error.reason))
  if (!(error instanceof RequestRefused)) return false
  // A depot that was moved refuses changes for good. One that is being moved says when to try again.
  if (error.code === 'moving' && error.retryAfterSeconds === undefined) return false
  return NOTHING_DONE.includes(error.status) || (isRepeatable && MAYBE_DONE.includes(error.status))
}

/**
 * Returns the pause before the next attempt, in milliseconds: that of Retry-After, or else one with a random
 * part, so that clients that failed together come back at different times.
 */
function pauseBefore(tries: number, error: unknown): number {
  const asked = error instanceof RequestRefused ? error.retryAfterSeconds : undefined
  if (asked !== undefined) return Math.min(asked * 1_000, MAX_PAUSE_MS)
  const pauseMs = PAUSES_MS[tries] ?? PAUSES_MS.at(-1) ?? 0
  return pauseMs * (0.5 + Math.random())
}

/** Reads an unsuccessful answer, and returns the error for it. */
async function refusalOf(
  answer: IncomingMessage,
  url: string,
  { tokenAdvice }: Pick<TransportOptions, 'tokenAdvice'>,
): Promise<Error> {
  const status = answer.statusCode ?? 0
  const { location, 'retry-after': retryAfter = '' } = answer.headers
  if (status >= 300 && status < 400 && location !== undefined) {
    answer.resume()
    return new NotADepot(
      `${url} answered ${status} and points to ${location}; give the address of the depot itself`,
    )
  }
  const body = await readBounded(answer)
  const found = parseObject(body)
  const { code, detail } = found
  const isProblem = typeof code === 'string' && typeof detail === 'string'
  if (!isProblem && status < 500 && status !== 429)
    return new NotADepot(
      `${url} answered ${status}, and not as a hart-depot does${body === '' ? '' : `: ${body.replaceAll(/\s+/g, ' ').slice(0, MAX_SHOWN_LENGTH)}`}`,
    )
  return new RequestRefused(
    {
      ...found,
      status,
      code: isProblem ? code : 'unknown',
      detail: isProblem ? detail : `${url} answered ${status}`,
    },
    { retryAfterSeconds: /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : undefined, tokenAdvice },
  )
}

/** Parses a JSON object. Returns an empty one for anything else. */
function parseObject(body: string): { readonly [name: string]: unknown; code?: unknown; detail?: unknown } {
  try {
    const found: unknown = JSON.parse(body)
    return typeof found === 'object' && found !== null ? { ...found } : {}
  } catch {
    return {}
  }
}

/** Reads a body as text, or an empty text if it is too long or breaks off. */
async function readBounded(answer: IncomingMessage): Promise<string> {
  let size = 0
  answer.on('data', (piece: Buffer) => {
    size += piece.length
    if (size > MAX_PROBLEM_BYTES) answer.destroy()
  })
  try {
    return await text(answer)
  } catch {
    return ''
  }
}
