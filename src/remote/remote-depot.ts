import { Readable } from 'node:stream'
import { z } from 'zod'
import { networkFault } from '../network-fault.ts'
import { shapeFault } from '../text/shape-fault.ts'

// An HTTP client for Builder and hart-depot. It retries failures that may be temporary.

export interface RemoteOptions {
  /**
   * The URL of the depot, which may have a path, or of its Habitat API, which ends with `/v1`
   * (habitat-today.md 1.1).
   */
  readonly url: string
  readonly token: string | undefined
  /** Waits before a retry. Tests pass one that does not wait. */
  readonly pause: (ms: number) => Promise<unknown>
  /** The User-Agent. It must start with `hab-`; see {@link AGENT}. */
  readonly agent?: string
}

/**
 * The kinds of failure. `refused` concerns one request. `unreachable` means that all retries failed.
 * `unauthenticated` and `full` would also fail later requests.
 */
export type RemoteFailure = 'refused' | 'unreachable' | 'unauthenticated' | 'full'

/** A request to a depot that has failed for good. */
export class RemoteError extends Error {
  readonly code = 'ERR_REMOTE_DEPOT'
  readonly failure: RemoteFailure

  constructor(failure: RemoteFailure, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'RemoteError'
    this.failure = failure
  }
}

export interface SendOptions {
  readonly body?: string | Blob
  readonly headers?: Readonly<Record<string, string>>
  /** The statuses that count as success. */
  readonly expects: readonly number[]
}

type Outgoing = Pick<SendOptions, 'body' | 'headers'> & { readonly method: string }

/** The pauses before retries, after no answer or a temporary failure. */
const PAUSES_MS = [1_000, 2_000, 5_000, 10_000, 30_000]
const MAX_PAUSE_MS = 300_000
const TEMPORARY: readonly number[] = [408, 429, 500, 502, 503, 504]
const MAX_REPORTED_FAULTS = 3
const MAX_REASON_LENGTH = 300

/**
 * Builder's proxy throttles clients whose User-Agent does not start with `hab`, and depots send error texts
 * only to those whose does (habitat-today.md 1.2 and 4).
 */
const AGENT = 'hab-import-builder (hart-depot)'

/**
 * Returns a path with encoded values. Values must be parsed before, because encoding does not make `..`
 * harmless.
 */
export function path(parts: TemplateStringsArray, ...values: readonly string[]): string {
  return String.raw(
    { raw: parts },
    ...values.map((value) => value.split('/').map(encodeURIComponent).join('/')),
  )
}

/**
 * A client of one depot. A resource that starts with `/` is below the depot's own URL; any other is below
 * that of its Habitat API. All methods but {@link isReachable} reject with a {@link RemoteError}.
 */
export class RemoteDepot {
  /** The URL of the Habitat API. */
  readonly url: string
  readonly #base: string
  readonly #token: string | undefined
  readonly #pause: RemoteOptions['pause']
  readonly #agent: string

  constructor({ url, token, pause, agent = AGENT }: RemoteOptions) {
    const { origin, pathname } = new URL(url)
    this.#base = `${origin}${pathname}`.replace(/\/+$/, '').replace(/\/v1$/, '')
    this.url = `${this.#base}/v1`
    this.#token = token
    this.#pause = pause
    this.#agent = agent
  }

  /** Resolves with the parsed JSON, or `undefined` for 404. */
  async get<Shape extends z.ZodType>(resource: string, shape: Shape): Promise<z.infer<Shape> | undefined> {
    const text = await this.getText(resource)
    if (text === undefined) return undefined
    return this.#parse('GET', resource, text, shape)
  }

  /** Resolves with the body, or `undefined` for 404. */
  async getText(resource: string): Promise<string | undefined> {
    return this.#request(resource, { method: 'GET' }, async (response) => {
      const text = await response.text()
      if (response.status === 404) return undefined
      if (!response.ok) throw refusal('GET', response, text)
      return text
    })
  }

  /** Yields the items of a list, which is read page by page (habitat-today.md 3.5). */
  async *list<Shape extends z.ZodType>(resource: string, item: Shape): AsyncGenerator<z.infer<Shape>> {
    const shape = z.object({ total_count: z.int(), data: z.array(item) })
    for (let offset = 0; ;) {
      const page = await this.get(`${resource}${resource.includes('?') ? '&' : '?'}range=${offset}`, shape)
      if (page === undefined) return
      yield* page.data
      offset += page.data.length
      if (page.data.length === 0 || offset >= page.total_count) return
    }
  }

  /** Calls `receive` with the body. If the connection breaks, calls it again with the body from its start. */
  async download<T>(resource: string, receive: (body: Readable) => Promise<T>): Promise<T> {
    return this.#request(resource, { method: 'GET' }, async (response) => {
      if (response.status !== 200 || response.body === null)
        throw refusal('GET', response, await response.text())
      return receive(Readable.fromWeb(response.body))
    })
  }

  /**
   * Resolves with the status, which is one of those expected. Retries after a lost answer, so repeating must
   * be harmless.
   */
  async send(method: 'POST' | 'PUT' | 'PATCH', resource: string, options: SendOptions): Promise<number> {
    return this.#send(method, resource, options, ({ status }) => status)
  }

  /** Like a POST with {@link send}, and resolves with the parsed JSON of the answer. */
  async sendFor<Shape extends z.ZodType>(
    resource: string,
    options: SendOptions,
    shape: Shape,
  ): Promise<z.infer<Shape>> {
    return this.#send('POST', resource, options, ({ text }) => this.#parse('POST', resource, text, shape))
  }

  /** Reports whether the depot answers now. Does not retry, and never rejects. */
  async isReachable(): Promise<boolean> {
    try {
      const response = await fetch(this.#urlOf('status'), { headers: { 'user-agent': this.#agent } })
      await response.body?.cancel()
      return response.status < 500
    } catch {
      return false
    }
  }

  /** Sends a request, and calls `read` with the answer if its status is one of those expected. */
  #send<T>(
    method: string,
    resource: string,
    { body, headers = {}, expects }: SendOptions,
    read: (answer: { status: number; text: string }) => T,
  ): Promise<T> {
    return this.#request(
      resource,
      { method, headers, ...(body !== undefined && { body }) },
      async (response) => {
        const text = await response.text()
        if (!expects.includes(response.status)) throw refusal(method, response, text)
        return read({ status: response.status, text })
      },
    )
  }

  /** Makes a request, again after each pause while failures may be temporary. */
  async #request<T>(resource: string, init: Outgoing, read: (response: Response) => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries += 1) {
      const outcome = await this.#try(resource, init, read)
      if ('result' in outcome) return outcome.result
      const pauseMs = PAUSES_MS[tries]
      if (pauseMs === undefined) throw outcome.error
      await this.#pause(outcome.pauseMs ?? pauseMs)
    }
  }

  async #try<T>(
    resource: string,
    init: Outgoing,
    read: (response: Response) => Promise<T>,
  ): Promise<{ result: T } | { error: RemoteError; pauseMs?: number | undefined }> {
    const url = this.#urlOf(resource)
    const credentials = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
    try {
      const response = await fetch(url, {
        ...init,
        headers: { ...init.headers, ...credentials, 'user-agent': this.#agent },
      })
      if (TEMPORARY.includes(response.status))
        return {
          error: refusal(init.method, response, await response.text()),
          pauseMs: retryAfterMs(response),
        }
      return { result: await read(response) }
    } catch (error) {
      if (!isConnectionError(error)) throw error
      return {
        error: new RemoteError(
          'unreachable',
          `${init.method} ${url} got no answer: ${networkFault(error.cause instanceof Error ? error.cause : error)}`,
          { cause: error },
        ),
      }
    }
  }

  #parse<Shape extends z.ZodType>(
    method: string,
    resource: string,
    text: string,
    shape: Shape,
  ): z.infer<Shape> {
    const parsed = shape.safeParse(parseJson(text), { error: shapeFault })
    if (!parsed.success)
      throw new RemoteError(
        'refused',
        `${method} ${this.#urlOf(resource)} returned an unexpected answer: ${faultsIn(parsed.error)}`,
      )
    return parsed.data
  }

  #urlOf(resource: string): string {
    return resource.startsWith('/') ? `${this.#base}${resource}` : `${this.url}/${resource}`
  }
}

function faultsIn({ issues }: z.ZodError): string {
  return issues
    .slice(0, MAX_REPORTED_FAULTS)
    .map(({ path: place, message }) => `${place.length === 0 ? 'the body' : place.join('/')} ${message}`)
    .join('; ')
}

/** Returns the error for an answer with an unexpected status. */
function refusal(method: string, response: Response, text: string): RemoteError {
  const failure = response.status === 401 ? 'unauthenticated' : response.status === 507 ? 'full' : 'refused'
  const why = reasonIn(text)
  return new RemoteError(
    failure,
    `${method} ${response.url} answered ${response.status}${why === '' ? '' : `: ${why}`}`,
  )
}

const Reasons = z.object({ detail: z.string().optional(), msg: z.string().optional() })

/**
 * Returns the message of a problem document (RFC 9457) or of the `{code,msg}` that `hab` gets, or the whole
 * text.
 */
function reasonIn(text: string): string {
  const reasons = Reasons.safeParse(parseJson(text)).data
  return (reasons?.detail ?? reasons?.msg ?? text).replaceAll(/\s+/g, ' ').trim().slice(0, MAX_REASON_LENGTH)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Parses `Retry-After`. Only seconds are supported; a date is ignored. */
function retryAfterMs(response: Response): number | undefined {
  const seconds = response.headers.get('retry-after') ?? ''
  return /^\d{1,9}$/.test(seconds) ? Math.min(Number(seconds) * 1_000, MAX_PAUSE_MS) : undefined
}

/** Reports whether `fetch` failed because of the connection: it then throws a TypeError with a cause. */
function isConnectionError(error: unknown): error is TypeError {
  return error instanceof TypeError && error.cause !== undefined
}
