import { Readable } from 'node:stream'
import { z } from 'zod'
import { networkFault } from '../network-fault.ts'
import { shapeFault } from '../text/shape-fault.ts'

// The client of a depot that is reached over HTTP, Builder or our own: which failures pass, and which do not.

export interface RemoteOptions {
  /**
   * As operators write it: the depot's own URL, below whatever path of its host, or that of its Habitat API, which ends with `/v1`. `hab`
   * takes the latter, and the former where it has no path (habitat-today.md 1.1).
   */
  readonly url: string
  readonly token: string | undefined
  /** Waits. Handed in, so that tests need not. */
  readonly pause: (ms: number) => Promise<unknown>
  /** What it calls itself: `hab-…`. */
  readonly agent?: string
}

/**
 * What a failure is about. `refused`: this one request. `unreachable`: no answer came, again and again. `unauthenticated` and `full`
 * will be so for whatever is asked next.
 */
export type RemoteFailure = 'refused' | 'unreachable' | 'unauthenticated' | 'full'

export class RemoteError extends Error {
  readonly code = 'ERR_REMOTE_DEPOT'
  readonly failure: RemoteFailure

  constructor(failure: RemoteFailure, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'RemoteError'
    this.failure = failure
  }
}

export interface Sent {
  readonly body?: string | Blob
  readonly headers?: Readonly<Record<string, string>>
  /** The statuses that are fine. */
  readonly expects: readonly number[]
}

type Asked = Pick<Sent, 'body' | 'headers'> & { readonly method: string }

/** How long to wait before each further try: of what did not answer, had a fault, or has too much to do. */
const PAUSES_MS = [1_000, 2_000, 5_000, 10_000, 30_000]
const LONGEST_PAUSE_MS = 300_000
const PASSING: readonly number[] = [408, 429, 500, 502, 503, 504]
const MOST_FAULTS = 3
const LONGEST_REASON = 300

/** Builder's proxy slows down who is not called `hab…`, and only to who is called so does a depot say why (habitat-today.md 1.2 and 4). */
const AGENT = 'hab-import-builder (hart-depot)'

/** A path of encoded parts. What is put in must not be `..`, which no encoding saves: parse it first. */
export function path(parts: TemplateStringsArray, ...values: readonly string[]): string {
  return String.raw(
    { raw: parts },
    ...values.map((value) => value.split('/').map(encodeURIComponent).join('/')),
  )
}

export class RemoteDepot {
  /** Of its Habitat API. */
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

  /** `undefined` where there is nothing. */
  async get<Shape extends z.ZodType>(asked: string, shape: Shape): Promise<z.infer<Shape> | undefined> {
    const text = await this.getText(asked)
    if (text === undefined) return undefined
    return this.#parse('GET', asked, text, shape)
  }

  /** `undefined` where there is nothing. */
  async getText(asked: string): Promise<string | undefined> {
    return this.#ask(asked, { method: 'GET' }, async (response) => {
      const text = await response.text()
      if (response.status === 404) return undefined
      if (!response.ok) throw refusal('GET', response, text)
      return text
    })
  }

  /** The items of one of today's lists, a page at a time (habitat-today.md 3.5). */
  async *list<Shape extends z.ZodType>(asked: string, item: Shape): AsyncGenerator<z.infer<Shape>> {
    const shape = z.object({ total_count: z.int(), data: z.array(item) })
    for (let offset = 0; ;) {
      const page = await this.get(`${asked}${asked.includes('?') ? '&' : '?'}range=${offset}`, shape)
      if (page === undefined) return
      yield* page.data
      offset += page.data.length
      if (page.data.length === 0 || offset >= page.total_count) return
    }
  }

  /** Hands on the body as it comes; from its start again where it broke off. */
  async download<T>(asked: string, receive: (body: Readable) => Promise<T>): Promise<T> {
    return this.#ask(asked, { method: 'GET' }, async (response) => {
      if (response.status !== 200 || response.body === null)
        throw refusal('GET', response, await response.text())
      return receive(Readable.fromWeb(response.body))
    })
  }

  /** The status, one of those expected. What is sent twice, because an answer was lost, must do no harm. */
  async send(
    method: 'POST' | 'PUT' | 'PATCH',
    asked: string,
    { body, headers = {}, expects }: Sent,
  ): Promise<number> {
    return this.#ask(asked, { method, headers, ...(body !== undefined && { body }) }, async (response) => {
      const text = await response.text()
      if (!expects.includes(response.status)) throw refusal(method, response, text)
      return response.status
    })
  }

  /** As a POST of {@link send}, for what is answered. */
  async sendFor<Shape extends z.ZodType>(
    asked: string,
    { body, headers = {}, expects }: Sent,
    shape: Shape,
  ): Promise<z.infer<Shape>> {
    return this.#ask(
      asked,
      { method: 'POST', headers, ...(body !== undefined && { body }) },
      async (response) => {
        const text = await response.text()
        if (!expects.includes(response.status)) throw refusal('POST', response, text)
        return this.#parse('POST', asked, text, shape)
      },
    )
  }

  /** Whether it answers at all, at this moment. */
  async answers(): Promise<boolean> {
    try {
      const response = await fetch(this.#at('status'), { headers: { 'user-agent': this.#agent } })
      await response.body?.cancel()
      return response.status < 500
    } catch {
      return false
    }
  }

  async #ask<T>(asked: string, init: Asked, read: (response: Response) => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries += 1) {
      const outcome = await this.#try(asked, init, read)
      if ('result' in outcome) return outcome.result
      const pauseMs = PAUSES_MS[tries]
      if (pauseMs === undefined) throw outcome.error
      await this.#pause(outcome.pauseMs ?? pauseMs)
    }
  }

  async #try<T>(
    asked: string,
    init: Asked,
    read: (response: Response) => Promise<T>,
  ): Promise<{ result: T } | { error: RemoteError; pauseMs?: number | undefined }> {
    const url = this.#at(asked)
    const credentials = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
    try {
      const response = await fetch(url, {
        ...init,
        headers: { ...init.headers, ...credentials, 'user-agent': this.#agent },
      })
      if (PASSING.includes(response.status))
        return { error: refusal(init.method, response, await response.text()), pauseMs: pauseAsked(response) }
      return { result: await read(response) }
    } catch (error) {
      if (!isBroken(error)) throw error
      return {
        error: new RemoteError(
          'unreachable',
          `${init.method} ${url} found no answer: ${networkFault(error.cause instanceof Error ? error.cause : error)}`,
          { cause: error },
        ),
      }
    }
  }

  #parse<Shape extends z.ZodType>(method: string, asked: string, text: string, shape: Shape): z.infer<Shape> {
    const parsed = shape.safeParse(parseJson(text), { error: shapeFault })
    if (!parsed.success)
      throw new RemoteError(
        'refused',
        `${method} ${this.#at(asked)} answers what no depot does: ${faultsIn(parsed.error)}`,
      )
    return parsed.data
  }

  /** A path that starts with `/` is below the depot's own URL; any other is below that of its Habitat API. */
  #at(asked: string): string {
    return asked.startsWith('/') ? `${this.#base}${asked}` : `${this.url}/${asked}`
  }
}

function faultsIn({ issues }: z.ZodError): string {
  return issues
    .slice(0, MOST_FAULTS)
    .map(({ path: place, message }) => `${place.length === 0 ? 'the whole' : place.join('/')} ${message}`)
    .join('; ')
}

function refusal(method: string, response: Response, text: string): RemoteError {
  const failure = response.status === 401 ? 'unauthenticated' : response.status === 507 ? 'full' : 'refused'
  const why = reasonIn(text)
  return new RemoteError(
    failure,
    `${method} ${response.url} answers ${response.status}${why === '' ? '' : `: ${why}`}`,
  )
}

const Reasons = z.object({ detail: z.string().optional(), msg: z.string().optional() })

/** Of a problem (RFC 9457), of what `hab` is told, or the text as it is. */
function reasonIn(text: string): string {
  const reasons = Reasons.safeParse(parseJson(text)).data
  return (reasons?.detail ?? reasons?.msg ?? text).replaceAll(/\s+/g, ' ').trim().slice(0, LONGEST_REASON)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** `Retry-After` in seconds; a date there counts as nothing said. */
function pauseAsked(response: Response): number | undefined {
  const seconds = response.headers.get('retry-after') ?? ''
  return /^\d{1,9}$/.test(seconds) ? Math.min(Number(seconds) * 1_000, LONGEST_PAUSE_MS) : undefined
}

/** `fetch` throws a TypeError with a cause for a connection that failed, was cut, or stalled. */
function isBroken(error: unknown): error is TypeError {
  return error instanceof TypeError && error.cause !== undefined
}
