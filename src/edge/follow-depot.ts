import type { DepotClient } from '../client/client.ts'
import { NotADepot, RequestRefused, Unreachable } from '../client/errors.ts'
import { DepotAnswers } from './depot-answers.ts'
import type { EdgeFolder } from './edge-folder.ts'
import { DepotRestored, Materializer } from './materializer.ts'
import { edgeMetrics } from './metrics.ts'

export interface FollowDepot {
  /** A client without a token. */
  readonly depot: DepotClient
  readonly folder: EdgeFolder
  /** Whether to go on after the files are up to date, until the signal. */
  readonly isFollowing: boolean
  /** How long files are served after the depot last confirmed them; without a limit if `undefined`. */
  readonly maxStaleMs: number | undefined
  /** A file for metrics, in addition to that in the folder. */
  readonly metricsFile: string | undefined
  /** Called when something begins or ends. */
  readonly report: (event: EdgeEvent) => void
  readonly now: () => number
  readonly pause: (ms: number, signal: AbortSignal) => Promise<unknown>
  readonly signal: AbortSignal
}

export type EdgeEvent =
  | { readonly event: 'writing'; readonly detail: string }
  | { readonly event: 'current'; readonly position: string }
  | { readonly event: 'withdrawn'; readonly detail: string }
  | { readonly event: 'trouble'; readonly detail: string }

/** Thrown if the depot answers only callers with a token. */
export class ReadingClosed extends Error {}

const MAX_WAIT_S = 30
const MAX_PAUSE_MS = 30_000
const FIRST_PAUSE_MS = 1_000

/**
 * Writes the public answers of a depot into a folder. With `isFollowing`, brings them up to date as the
 * ledger grows, across outages and restores of the depot, and throws the reason of the signal. Without it,
 * resolves when they are up to date. Throws {@link ReadingClosed} or an error that waiting cannot cure.
 */
export async function followDepot(options: FollowDepot): Promise<void> {
  const edge = new Edge(options)
  for (let failures = 0; ;) {
    try {
      await edge.step()
      failures = 0
      if (!options.isFollowing && edge.isCurrent) return
    } catch (error) {
      options.signal.throwIfAborted()
      if (!edge.endure(error)) throw error
      const limitMs = Math.min(MAX_PAUSE_MS, (options.maxStaleMs ?? Number.POSITIVE_INFINITY) / 4)
      await options.pause(Math.min(FIRST_PAUSE_MS * 2 ** failures, limitMs), options.signal)
      failures += 1
    }
  }
}

/** How long the depot may hold a request, so that `maxStaleMs` can be kept. */
export function waitSeconds(maxStaleMs: number | undefined): number {
  return Math.min(MAX_WAIT_S, (maxStaleMs ?? Number.POSITIVE_INFINITY) / 4_000)
}

class Edge {
  readonly #options: FollowDepot
  readonly #materializer: Materializer
  #hasRepaired = false
  #reported = ''
  /** Whether the last page of the ledger was read, and all that it demands was done. */
  isCurrent = false

  constructor(options: FollowDepot) {
    this.#options = options
    this.#materializer = new Materializer(new DepotAnswers(options.depot, options.signal), options.now)
  }

  /** Writes everything, or reads the next page of the ledger and writes what it changes. */
  async step(): Promise<void> {
    const { folder, depot, signal, isFollowing, maxStaleMs } = this.#options
    const { state } = folder
    try {
      if (state === undefined) {
        await this.#writeAll()
        return
      }
      const files = folder.files()
      if (!this.#hasRepaired) files.repair()
      this.#hasRepaired = true
      const waitS = isFollowing && this.isCurrent ? waitSeconds(maxStaleMs) : 0
      const wait = state.hasHidden ? Math.min(this.#materializer.restMs / 1_000, MAX_WAIT_S) : waitS
      const page = await depot.listEvents({ after: state.position, limit: 1_000, wait }, { signal })
      const confirmedAt = this.#options.now()
      const reached = await this.#materializer.follow(files, page, state)
      this.isCurrent = !reached.hasHidden && (page.events.length === 0 || page.next === null)
      folder.keep(files, { ...reached, confirmedAt: this.isCurrent ? confirmedAt : state.confirmedAt })
      if (this.isCurrent) this.#serve()
    } catch (error) {
      if (!isOtherHistory(error)) throw error
      this.#report({ event: 'writing', detail: 'the depot was restored from an older copy' })
      folder.clear()
    }
  }

  /**
   * Handles an error of {@link step}. Returns whether to try again; if not, the caller throws the error.
   * Throws {@link ReadingClosed}.
   */
  endure(error: unknown): boolean {
    const { folder, maxStaleMs, now, isFollowing } = this.#options
    this.isCurrent = false // so that the next page comes without a wait
    if (error instanceof RequestRefused && error.status === 401) {
      folder.clear()
      this.#writeMetrics()
      const detail = 'the depot answers only with a token, so there are no public answers'
      this.#report({ event: 'withdrawn', detail })
      if (isFollowing) return true
      throw new ReadingClosed(detail, { cause: error })
    }
    if (!isTrouble(error)) return false
    this.#report({ event: 'trouble', detail: error.message })
    const { state } = folder
    if (
      state !== undefined &&
      maxStaleMs !== undefined &&
      now() - state.confirmedAt > maxStaleMs &&
      folder.isServed
    ) {
      folder.withdraw()
      this.#report({ event: 'withdrawn', detail: 'the depot has not confirmed the files for too long' })
    }
    this.#writeMetrics()
    return isFollowing
  }

  /** Writes all answers. They are served after the next step, which reads what has happened meanwhile. */
  async #writeAll(): Promise<void> {
    const { folder, depot, now } = this.#options
    this.#report({ event: 'writing', detail: `writing all public answers of ${depot.url}` })
    this.isCurrent = false
    const confirmedAt = now()
    const files = folder.begin()
    const reached = await this.#materializer.writeAll(files)
    folder.keep(files, { ...reached, confirmedAt })
    this.#hasRepaired = true
  }

  #serve(): void {
    const { folder } = this.#options
    folder.serve()
    this.#writeMetrics()
    this.#report({ event: 'current', position: folder.state?.position ?? '' })
  }

  #writeMetrics(): void {
    const { folder, metricsFile } = this.#options
    const text = edgeMetrics({ state: folder.state, isServed: folder.isServed })
    folder.writeMetrics(text)
    if (metricsFile !== undefined) folder.writeMetrics(text, metricsFile)
  }

  /** Reports an event, unless it repeats the one before. */
  #report(event: EdgeEvent): void {
    const text = JSON.stringify(event)
    if (text === this.#reported) return
    this.#reported = text
    this.#options.report(event)
  }
}

/** Reports whether the files are of a ledger that the depot does not have any more. */
function isOtherHistory(error: unknown): boolean {
  if (error instanceof DepotRestored) return true
  return error instanceof RequestRefused && (error.code === 'other_history' || error.status === 409)
}

/** Reports whether waiting may cure an error. */
function isTrouble(error: unknown): error is Error {
  if (error instanceof RequestRefused) return error.status >= 500 || error.status === 429
  return error instanceof Unreachable || error instanceof NotADepot // a proxy may answer for the depot
}
