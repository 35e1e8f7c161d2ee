import { stat } from 'node:fs/promises'
import { finished } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileBody, partsOf } from './call.ts'
import type { Call, CallOptions, DataAnswer } from './call.ts'
import { parseDepotUrl } from './depot-url.ts'
import type { DownloadOptions } from './download.ts'
import { NotADepot, RequestRefused, Unreachable } from './errors.ts'
import type { Problem } from './errors.ts'
import { ITEMS, Operations } from './operations.ts'
import type {
  DownloadReleaseInput,
  Events,
  GetOriginKeyInput,
  ListEventsInput,
  Lists,
  Release,
  Upload,
  UploadReleaseInput,
} from './operations.ts'
import { Transport } from './transport.ts'
import type { Outgoing } from './transport.ts'

export interface ClientOptions {
  /** The URL of the depot, of one of its APIs, or of a view (whose depot is then used). */
  readonly url: string
  /** Sent with each request, and only to this URL: redirects are not followed. */
  readonly token?: string | undefined
  /** How to replace the token, for {@link RequestRefused.tokenAdvice}. */
  readonly tokenAdvice?: string | undefined
  readonly userAgent?: string
  /** How often a request is repeated after a failure that may be temporary. The default is 4. */
  readonly retries?: number
  /** How long the depot may send nothing, in milliseconds. The default is a minute. */
  readonly idleMs?: number
  /**
   * The environment in which HTTP_PROXY, HTTPS_PROXY and NO_PROXY are looked up. By default, no proxy is
   * used.
   */
  readonly proxyEnv?: NodeJS.ProcessEnv
  /** Certificates of further authorities to trust, in PEM. */
  readonly ca?: string
  /** Waits before a repetition, and gets the error that is its cause. Tests pass one that does not wait. */
  readonly pause?: (ms: number, signal?: AbortSignal, error?: unknown) => Promise<unknown>
}

/** Whether a depot is ready for requests, as `/readyz` tells. */
export interface Readiness {
  readonly ready: boolean
  readonly database: string
  /** `ok`, or why writes are refused; reads still work. */
  readonly disk: string
  /** What the operator should fix, one sentence each. */
  readonly reasons: readonly string[]
  /** The same problems, each with a name for programs. */
  readonly problems: readonly { readonly code: string; readonly detail: string }[]
}

export type Event = Events['events'][number]

export interface FollowOptions extends Omit<ListEventsInput, 'after' | 'wait'> {
  /** The position of the last known entry; by default, the end of the ledger. */
  readonly after?: string
  readonly signal?: AbortSignal
  /** Called when the depot cannot be reached, before the next attempt. */
  readonly onTrouble?: (error: Unreachable | RequestRefused) => void
}

const REPEATABLE: readonly string[] = ['GET', 'HEAD', 'PUT', 'DELETE']
/**
 * POSTs that are safe to repeat: a plan changes nothing, and neither does an upload, a record, a report or a
 * lease that the depot already has.
 */
const REPEATABLE_POSTS: readonly string[] = [
  '/api/v1/releases',
  '/api/v1/states/plan',
  '/api/v1/changes',
  '/api/v1/changes/{id}/releases',
  '/api/v1/changes/{id}/phases',
  '/api/v1/changes/{id}/lease',
]
const WAIT_SECONDS = 30
const MAX_TROUBLE_PAUSE_MS = 30_000

/**
 * A client of hart-depot's own API. Its methods are the operations of openapi.yaml. They throw {@link
 * RequestRefused} with the code of the depot, {@link Unreachable}, and {@link NotADepot} if something else
 * answers.
 *
 * Requests are repeated after failures that may be temporary, but only where executing them twice has the
 * effect of executing them once: the client sends an idempotency key with every change that accepts one.
 */
export class DepotClient extends Operations {
  /** The URL of the depot, without a slash at the end. */
  readonly url: string
  /** The view whose URL was given, if any. */
  readonly view: string | undefined
  readonly #transport: Transport
  readonly #pause: NonNullable<ClientOptions['pause']>

  /** Throws a RangeError for a URL that cannot be that of a depot. */
  constructor({ url, pause = pauseFor, ...options }: ClientOptions) {
    super()
    const { base, view } = parseDepotUrl(url)
    this.url = base
    this.view = view
    this.#pause = pause
    this.#transport = new Transport({
      base,
      pause,
      userAgent: 'hart-depot-client',
      retries: 4,
      idleMs: 60_000,
      ...options,
    })
  }

  /** Closes unused connections. The client can still be used. */
  close(): void {
    this.#transport.close()
  }

  /** Yields the items of a list, which is read page by page. */
  async *each<List extends keyof Lists>(
    list: List,
    input: Lists[List]['input'],
    options: CallOptions = {},
  ): AsyncGenerator<Lists[List]['item']> {
    for (let next: object | undefined = input; next !== undefined;) {
      const page: Readonly<Record<string, unknown>> = await Reflect.apply(this[list], this, [next, options])
      yield* page[ITEMS[list]] as Lists[List]['item'][]
      next = typeof page['next'] === 'string' ? { ...next, ...queryOf(page['next']) } : undefined
    }
  }

  /**
   * Uploads a package from a file, which is read at the rate of the connection. Repeating it is safe: a
   * release that is published with the same bytes stays as it is. Throws `FileChanged`, and errors of
   * the disk.
   */
  async uploadFile(
    file: string,
    input: Omit<UploadReleaseInput, 'body'> = {},
    options: CallOptions = {},
  ): Promise<Upload> {
    const { size } = await stat(file)
    return this.uploadRelease({ ...input, body: new FileBody(file, size) }, options)
  }

  /**
   * Downloads a package to a file, and verifies its checksum and signature. The file appears when it is
   * complete; until then its bytes are in `FILE.part`, from which broken connections and later calls
   * continue. Throws `key_malformed`, {@link DownloadDamaged} and errors of the disk.
   */
  async downloadFile(
    input: DownloadReleaseInput,
    file: string,
    options: DownloadOptions & Pick<CallOptions, 'signal'> = {},
  ): Promise<Release> {
    const signal = options.signal && { signal: options.signal }
    const [{ downloadPackage }, release] = await Promise.all([
      import('./download.ts'), // loads WebAssembly, which other calls do not need
      this.getStoredRelease(input, signal),
    ])
    const { ident, target, checksum, size_bytes: sizeBytes } = release
    await downloadPackage(
      {
        open: async (from) =>
          this.downloadRelease(
            { ...input, target },
            {
              ...signal,
              ...(from > 0 && { headers: { range: `bytes=${from}-`, 'if-range': `"${checksum}"` } }),
            },
          ),
        findKey: async (signer) => this.#findKey(signer, signal),
        pause: async (ms) => this.#pause(ms, options.signal),
      },
      { ident, checksum, sizeBytes },
      file,
      options,
    )
    return release
  }

  /**
   * Shows a release whose package the depot has. If the package is missing, a depot with an upstream fetches
   * it first. Throws RequestRefused if upstream does not have it or cannot give it.
   */
  async getStoredRelease(input: DownloadReleaseInput, options: CallOptions = {}): Promise<Release> {
    try {
      const release = await this.getRelease(input, options)
      if (!release.announced) return release
    } catch (error) {
      if (!(error instanceof RequestRefused) || error.status !== 404) throw error
    }
    await this.#haveFetched(input, options)
    return this.getRelease(input, options)
  }

  /** Reads a download to its end, after which the depot has the package. */
  async #haveFetched(input: DownloadReleaseInput, options: CallOptions): Promise<void> {
    const { body } = await this.downloadRelease(input, options)
    try {
      await finished(body.resume())
    } catch (error) {
      if (options.signal?.aborted === true) throw error
      // The depot cuts the connection if it refuses the package, and then says why.
      const again = await this.downloadRelease(input, options)
      await finished(again.body.resume())
    }
  }

  /**
   * Yields ledger entries as they are committed, without end, and without gap or repetition across broken
   * connections and restarts of the depot. Throws only what waiting cannot cure: a token that is no longer
   * valid, or `other_history` after a restore.
   */
  async *follow({ after, signal, onTrouble, ...filter }: FollowOptions = {}): AsyncGenerator<Event> {
    const options = signal === undefined ? {} : { signal }
    let position = after
    for (let troubles = 0; ;) {
      try {
        position ??= (await this.getLedgerHead(options)).position
        const page: Events = await this.listEvents(
          { ...filter, after: position, wait: WAIT_SECONDS },
          options,
        )
        troubles = 0
        yield* page.events
        position = page.position
      } catch (error) {
        if (!isTrouble(error)) throw error
        onTrouble?.(error)
        const pauseMs = Math.min(1_000 * 2 ** troubles, MAX_TROUBLE_PAUSE_MS)
        troubles += 1
        await this.#pause(pauseMs * (0.5 + Math.random() / 2), signal)
      }
    }
  }

  /** Asks whether the depot is ready for requests. */
  async checkReadiness(options?: CallOptions): Promise<Readiness> {
    try {
      // A depot that cannot read its database cannot look a token up.
      return await this.call({ method: 'GET', path: '/readyz', isAnonymous: true }, options)
    } catch (error) {
      if (!(error instanceof RequestRefused) || error.problem['ready'] !== false) throw error
      const { database, disk, reasons, problems } = error.problem as Problem & Readiness
      return { ready: false, database, disk, reasons, problems }
    }
  }

  /**
   * Reads a path of the depot without the token, for example a path of Habitat's API. The answer may have the
   * status 404. The caller must read the body to its end or destroy it.
   */
  async read(path: string, options: CallOptions = {}): Promise<DataAnswer> {
    const { signal, headers } = options
    const read = { method: 'GET', isRepeatable: true, isAnonymous: true, mayBeAbsent: true } as const
    const outgoing = { ...read, path, headers: { accept: '*/*', ...headers }, signal }
    return this.#sendForData(outgoing)
  }

  /** Reads the metrics of the depot, in the text format of Prometheus. */
  async readMetrics(options?: CallOptions): Promise<string> {
    const answer = await this.call<DataAnswer>({ method: 'GET', path: '/metrics', isData: true }, options)
    return answer.text()
  }

  async #findKey(
    { origin, revision }: GetOriginKeyInput,
    options: CallOptions | undefined,
  ): Promise<string | undefined> {
    try {
      return (await this.getOriginKey({ origin, revision }, options)).file
    } catch (error) {
      if (error instanceof RequestRefused && error.status === 404) return undefined
      throw error
    }
  }

  protected override async call<Answer>(call: Call, options: CallOptions = {}): Promise<Answer> {
    const { path, body } = partsOf(call)
    const key =
      call.takesKey === true ? (options.idempotencyKey ?? crypto.randomUUID()) : options.idempotencyKey
    const outgoing: Outgoing = {
      method: call.method,
      path,
      body,
      headers: {
        ...(body !== undefined && call.contentType !== undefined && { 'content-type': call.contentType }),
        ...(call.isData === true && { accept: '*/*' }),
        ...(key !== undefined && { 'idempotency-key': key }),
        ...options.headers,
      },
      isRepeatable:
        REPEATABLE.includes(call.method) || call.takesKey === true || REPEATABLE_POSTS.includes(call.path),
      isAnonymous: call.isAnonymous,
      signal: options.signal,
      onProgress: options.onProgress,
      extraIdleMs: waitMs(call),
    }
    try {
      if (call.isData === true) return (await this.#sendForData(outgoing)) as Answer
      const answer = await this.#transport.sendForText(outgoing)
      return parseAnswer(answer, { url: `${this.url}${path}`, field: call.field }) as Answer
    } catch (error) {
      throw isUnknownRoute(error, outgoing) ? olderDepot(this.url, outgoing) : error
    }
  }

  async #sendForData(outgoing: Outgoing): Promise<DataAnswer> {
    const answer = await this.#transport.send(outgoing)
    return {
      status: answer.statusCode ?? 0,
      headers: answer.headers,
      body: answer,
      text: async () => this.#transport.textOf(answer, outgoing.signal),
    }
  }
}

async function pauseFor(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(ms, undefined, signal === undefined ? {} : { signal })
}

/**
 * Reports whether an error shows that the depot does not know an operation. The message is the depot's answer
 * to unknown paths.
 */
function isUnknownRoute(error: unknown, { method, path }: Outgoing): boolean {
  if (!(error instanceof RequestRefused)) return false
  const [place = ''] = path.split('?', 1)
  return (
    error.code === 'method_not_allowed' ||
    (error.code === 'not_found' && error.message === `there is nothing at ${method} ${place}`)
  )
}

function olderDepot(url: string, { method, path }: Outgoing): NotADepot {
  return new NotADepot(
    `${url} does not know ${method} ${path}: it is an older hart-depot than this program needs`,
  )
}

/** Reports whether waiting may cure an error. */
function isTrouble(error: unknown): error is Unreachable | RequestRefused {
  if (error instanceof Unreachable) return true
  return error instanceof RequestRefused && (error.status >= 500 || error.status === 429)
}

/**
 * Returns the query of the URL of a next page. Its path is not used: behind a proxy, the depot may not know
 * the path of its own URL.
 */
function queryOf(url: string): Record<string, string | string[]> {
  const { searchParams } = new URL(url, 'http://depot')
  return Object.fromEntries(
    [...new Set(searchParams.keys())].map((name) => {
      const values = searchParams.getAll(name)
      return [name, values.length === 1 ? (values[0] ?? '') : values]
    }),
  )
}

/** Returns how long a call asks the depot to wait before it answers. */
function waitMs({ input }: Call): number {
  const wait = input !== undefined && 'wait' in input ? Number(input.wait) : 0
  return Number.isFinite(wait) ? wait * 1_000 : 0
}

function parseAnswer(body: string, { url, field }: { url: string; field: string | undefined }): unknown {
  if (body === '' && field === undefined) return undefined
  let answer: unknown
  try {
    answer = JSON.parse(body)
  } catch {
    throw new NotADepot(`${url} did not answer with JSON, so it is not a hart-depot`)
  }
  if (field !== undefined && !(typeof answer === 'object' && answer !== null && field in answer))
    throw new NotADepot(`${url} answered with other JSON than a hart-depot does: ${field} is missing`)
  return answer
}

// The other exports of `hart-depot/client`.
export { DownloadDamaged, FileChanged, NotADepot, RequestRefused, Unreachable } from './errors.ts'
export type { Problem, UnreachableReason } from './errors.ts'
export type { CallOptions, DataAnswer } from './call.ts'
export type * from './operations.ts'
