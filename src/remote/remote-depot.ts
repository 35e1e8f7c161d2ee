import type { Readable } from 'node:stream'
import { z } from 'zod'
import { shapeFault } from '../text/shape-fault.ts'
import { fetchPlainly, isConnectionError, noAnswerReason, readText, retryAfterMs } from './fetch.ts'
import type { Answer, Fetch, Outgoing } from './fetch.ts'
import { RemoteError } from './remote-error.ts'

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
  /** Makes the requests; by default the `fetch` of Node, which follows redirects. */
  readonly fetch?: Fetch
  /** The pauses before retries, in milliseconds. Without any, each request is made once. */
  readonly pausesMs?: readonly number[]
  /** The User-Agent. It must start with `hab-`; see {@link AGENT}. */
  readonly agent?: string
  /** Further headers of all requests, with names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
}

export interface SendOptions {
  readonly body?: string | Blob
  readonly headers?: Readonly<Record<string, string>>
  /** The statuses that count as success. */
  readonly expects: readonly number[]
}

/** The default pauses before retries, after no answer or a temporary failure. */
const PAUSES_MS = [1_000, 2_000, 5_000, 10_000, 30_000]
const TEMPORARY: readonly number[] = [408, 429, 500, 502, 503, 504]
/** The longest list that is read to its end. The history of a large depot has some million events. */
const MAX_LIST_ITEMS = 5_000_000
/** A list with more pages than this must have this many items on each page on average. */
const MAX_SMALL_PAGES = 1_000
const MIN_PAGE_ITEMS = 10
const MAX_REPORTED_FAULTS = 3
const MAX_REASON_LENGTH = 300
const MAX_QUOTED_LENGTH = 60

/**
 * Builder's proxy throttles clients whose User-Agent does not start with `hab`, and depots send error texts
 * only to those whose does (habitat-today.md 1.2 and 4).
 */
const AGENT = 'hab-import-builder (hart-depot)'

/**
 * A client of one depot. A resource that starts with `/` is below the depot's own URL; any other is below
 * that of its Habitat API. All methods but {@link isReachable} and {@link findFault} reject with a
 * {@link RemoteError}.
 */
export class RemoteDepot {
  /** The URL of the Habitat API. */
  readonly url: string
  readonly #options: RemoteOptions
  readonly #base: string
  readonly #token: string | undefined
  readonly #pause: RemoteOptions['pause']
  readonly #agent: string
  readonly #fetch: Fetch
  readonly #pausesMs: readonly number[]

  constructor(options: RemoteOptions) {
    const {
      url,
      token,
      pause,
      fetch: makeRequest = fetchPlainly,
      pausesMs = PAUSES_MS,
      agent = AGENT,
    } = options
    this.#options = options
    const { origin, pathname } = new URL(url)
    this.#base = `${origin}${pathname}`.replace(/\/+$/, '').replace(/\/v1$/, '')
    this.url = `${this.#base}/v1`
    this.#token = token
    this.#pause = pause
    this.#agent = agent
    this.#fetch = makeRequest
    this.#pausesMs = pausesMs
  }

  /** Returns a client of the same depot that sends further headers. */
  withHeaders(headers: NonNullable<RemoteOptions['headers']>): RemoteDepot {
    return new RemoteDepot({ ...this.#options, headers: { ...this.#options.headers, ...headers } })
  }

  /** Whether requests carry a token. */
  get hasToken(): boolean {
    return this.#token !== undefined
  }

  /** Resolves with the parsed JSON, or `undefined` for 404. */
  async get<Shape extends z.ZodType>(resource: string, shape: Shape): Promise<z.infer<Shape> | undefined> {
    const text = await this.getText(resource)
    if (text === undefined) return undefined
    return this.#parse('GET', resource, text, shape)
  }

  /** Resolves with the body, or `undefined` for 404. */
  async getText(resource: string): Promise<string | undefined> {
    return this.#request(resource, { method: 'GET', headers: {} }, async ({ status, body }) => {
      const text = await readText(body)
      if (status === 404) return undefined
      if (status < 200 || status >= 300) throw this.#refusal('GET', resource, status, text)
      return text
    })
  }

  /**
   * Yields the items of a list, which is read page by page (habitat-today.md 3.5). Also rejects with a
   * {@link RemoteError} for a list that has too many items, or so few on each page that it hardly ends.
   */
  async *list<Shape extends z.ZodType>(resource: string, item: Shape): AsyncGenerator<z.infer<Shape>> {
    const shape = z.object({ total_count: z.int(), data: z.array(item) })
    for (let offset = 0, pages = 1; ; pages += 1) {
      const page = await this.get(`${resource}${resource.includes('?') ? '&' : '?'}range=${offset}`, shape)
      if (page === undefined) return
      yield* page.data
      offset += page.data.length
      if (page.data.length === 0 || offset >= page.total_count) return
      if (page.total_count > MAX_LIST_ITEMS)
        throw this.#oddList(resource, `${page.total_count} items, and the limit is ${MAX_LIST_ITEMS}`)
      if (pages > MAX_SMALL_PAGES && offset < pages * MIN_PAGE_ITEMS)
        throw this.#oddList(resource, `too few items on each page: ${offset} on ${pages}`)
    }
  }

  /** Yields the pages of a list of a hart-depot's own API. `resource` must have a query. */
  async *pages<Page extends { readonly next: string | null }>(
    resource: string,
    shape: z.ZodType<Page>,
  ): AsyncGenerator<Page> {
    const list = resource.slice(0, resource.indexOf('?'))
    for (let next: string | undefined = resource; next !== undefined;) {
      const page: Page | undefined = await this.get(next, shape)
      if (page === undefined) return
      yield page
      // Only the query of `next` is used: behind a proxy, the depot may not know the path of its own URL.
      next = page.next === null ? undefined : `${list}${page.next.slice(page.next.indexOf('?'))}`
    }
  }

  /**
   * Calls `receive` with the body, and with its length if that is announced, and closes the body afterwards.
   * If the connection breaks, and `receive` throws the error of the body, calls it again with the body from
   * its start.
   */
  async download<T>(
    resource: string,
    receive: (body: Readable, announcedBytes: number | undefined) => Promise<T>,
  ): Promise<T> {
    return this.#request(resource, { method: 'GET', headers: {} }, async ({ status, header, body }) => {
      if (status !== 200) throw this.#refusal('GET', resource, status, await readText(body))
      const length = header('content-length') ?? ''
      try {
        return await receive(body, /^\d{1,15}$/.test(length) ? Number(length) : undefined)
      } finally {
        body.on('error', () => undefined).destroy()
      }
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
    return (await this.findFault()) === undefined
  }

  /**
   * Says why the depot does not answer now, as part of a sentence; `undefined` if it answers. Does not retry,
   * and never rejects.
   */
  async findFault(): Promise<string | undefined> {
    try {
      const headers = { 'user-agent': this.#agent }
      const { status, body } = await this.#fetch(this.#urlOf('status'), { method: 'GET', headers })
      body.on('error', () => undefined).destroy()
      return status < 500 ? undefined : `it answers ${status}`
    } catch (error) {
      return noAnswerReason(error)
    }
  }

  /** Sends a request, and calls `read` with the answer if its status is one of those expected. */
  #send<T>(
    method: string,
    resource: string,
    { body, headers = {}, expects }: SendOptions,
    read: (answer: { status: number; text: string }) => T,
  ): Promise<T> {
    return this.#request(resource, { method, headers, body }, async (answer) => {
      const text = await readText(answer.body)
      if (!expects.includes(answer.status)) throw this.#refusal(method, resource, answer.status, text)
      return read({ status: answer.status, text })
    })
  }

  /** Makes a request, again after each pause while failures may be temporary. */
  async #request<T>(resource: string, init: Outgoing, read: (answer: Answer) => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries += 1) {
      const outcome = await this.#try(resource, init, read)
      if ('result' in outcome) return outcome.result
      const pauseMs = this.#pausesMs[tries]
      if (pauseMs === undefined) throw outcome.error
      await this.#pause(outcome.pauseMs ?? pauseMs)
    }
  }

  async #try<T>(
    resource: string,
    init: Outgoing,
    read: (answer: Answer) => Promise<T>,
  ): Promise<{ result: T } | { error: RemoteError; pauseMs?: number | undefined }> {
    const url = this.#urlOf(resource)
    const credentials = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
    try {
      const answer = await this.#fetch(url, {
        ...init,
        headers: {
          ...this.#options.headers,
          ...init.headers,
          ...credentials,
          'user-agent': this.#agent,
        },
      })
      if (TEMPORARY.includes(answer.status))
        return {
          error: this.#refusal(init.method, resource, answer.status, await readText(answer.body)),
          pauseMs: retryAfterMs(answer),
        }
      return { result: await read(answer) }
    } catch (error) {
      if (!isConnectionError(error)) throw error
      const why = noAnswerReason(error)
      return {
        error: new RemoteError('unreachable', `${init.method} ${url} got no answer: ${why}`, {
          cause: error,
        }),
      }
    }
  }

  #parse<Shape extends z.ZodType>(
    method: string,
    resource: string,
    text: string,
    shape: Shape,
  ): z.infer<Shape> {
    const json = parseJson(text)
    if (json === undefined)
      throw new RemoteError(
        'refused',
        `${method} ${this.#urlOf(resource)} returned ${text === '' ? 'an empty answer' : `something that is not JSON: ${JSON.stringify(text.slice(0, MAX_QUOTED_LENGTH))}`}`,
      )
    const parsed = shape.safeParse(json, { error: shapeFault })
    if (!parsed.success)
      throw new RemoteError(
        'refused',
        `${method} ${this.#urlOf(resource)} returned an unexpected answer: ${faultsIn(parsed.error)}`,
      )
    return parsed.data
  }

  #oddList(resource: string, what: string): RemoteError {
    return new RemoteError('refused', `the list at ${this.#urlOf(resource)} has ${what}`)
  }

  /** Returns the error for an answer with an unexpected status. */
  #refusal(method: string, resource: string, status: number, text: string): RemoteError {
    const failure = status === 401 ? 'unauthenticated' : status === 507 ? 'full' : 'refused'
    const why = reasonIn(text)
    return new RemoteError(
      failure,
      `${method} ${this.#urlOf(resource)} answered ${status}${why === '' ? '' : `: ${why}`}`,
      { status },
    )
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
