import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { claimsFor } from '../blobs/claims.ts'
import type { Claims } from '../blobs/claims.ts'
import type { Damage } from '../blobs/storage.ts'
import type { Depot } from '../depot/depot.ts'
import { shuttingDown } from '../errors.ts'
import { ThreadCalls } from '../threads/thread-calls.ts'
import { Arrivals } from './arriving.ts'
import type { MirrorOperations } from './mirror.ts'
import type { OpenedUpstream } from './opened-upstream.ts'
import type { RefreshOperations } from './refresher.ts'
import type { FetchCounts, UpstreamOperations } from './upstream.ts'

// The thread's file is next to this one, in the sources and in the build.
const THREAD = new URL(`./upstream-thread${extname(import.meta.filename)}`, import.meta.url)
/** The name of the thread, also in the spool. */
const NAME = 'upstream'
const RESTART_AFTER_MS = 1_000

/** The calls that the thread makes to the one that opened the depot. */
export type DepotCalls = { readonly [Name in keyof Claims]: Claims[Name] } & {
  readonly examine: (checksum: string) => Promise<Damage | undefined>
}

/** The calls that the depot makes to the thread. */
export type UpstreamCalls = {
  readonly [Name in keyof UpstreamOperations]: UpstreamOperations[Name]
} & {
  readonly [Name in keyof RefreshOperations]: RefreshOperations[Name]
} & {
  readonly [Name in keyof MirrorOperations]: MirrorOperations[Name]
} & {
  /** Opens the upstream. All other calls come after it has resolved. */
  readonly open: () => Promise<void>
  readonly start: () => Promise<void>
  readonly counts: () => Promise<FetchCounts>
  /** Resolves when everything is closed and the thread is about to end. */
  readonly stop: () => Promise<void>
}

/**
 * The upstream of a depot, in a thread of low priority. A refresh or a mirror makes thousands of requests,
 * and polls would wait for them. A thread that dies is replaced; calls in progress reject, and releases that
 * were arriving fail.
 */
export class ThreadedUpstream implements OpenedUpstream {
  readonly upstream: UpstreamOperations
  readonly refresher: RefreshOperations
  readonly mirror: MirrorOperations | undefined
  readonly #depot: Depot
  #thread: Worker | undefined
  #calls: ThreadCalls<UpstreamCalls> | undefined
  readonly #arrivals = new Arrivals()
  #isStarted = false
  #isClosed = false

  private constructor(depot: Depot) {
    this.#depot = depot
    this.upstream = {
      fetchMissing: async (release, asker) => {
        const arriving = await this.#call('fetchMissing', release, asker)
        if (arriving !== undefined) this.#arrivals.add(arriving)
        return arriving
      },
      showMissing: (release, asker) => this.#call('showMissing', release, asker),
      fetchKeys: (origin, revision, asker) => this.#call('fetchKeys', origin, revision, asker),
    }
    this.refresher = {
      refresh: (channels, options) => this.#call('refresh', channels, options),
      refreshing: () => this.#call('refreshing'),
    }
    this.mirror = depot.config.upstream?.mirror && {
      startMirror: () => this.#call('startMirror'),
      mirrorStatus: () => this.#call('mirrorStatus'),
      planMirror: () => this.#call('planMirror'),
    }
  }

  /** Starts the thread, and opens the upstream in it. Throws like {@link Upstream.open}. */
  static async open(depot: Depot): Promise<ThreadedUpstream> {
    const upstream = new ThreadedUpstream(depot)
    await upstream.#launch()
    return upstream
  }

  counts(): Promise<FetchCounts> {
    return this.#call('counts')
  }

  async start(): Promise<void> {
    this.#isStarted = true
    await this.#call('start')
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const thread = this.#thread
    if (thread === undefined) return
    const gone = once(thread, 'exit')
    this.#call('stop').catch(() => thread.terminate())
    await gone
  }

  #call<Name extends keyof UpstreamCalls>(
    name: Name,
    ...args: Parameters<UpstreamCalls[Name]>
  ): Promise<Awaited<ReturnType<UpstreamCalls[Name]>>> {
    return this.#calls?.call(name, ...args) ?? Promise.reject(shuttingDown())
  }

  async #launch(): Promise<void> {
    const { log, blobs } = this.#depot
    const share = await this.#depot.share()
    if (this.#isClosed) throw shuttingDown()
    const thread = new Worker(THREAD, {
      name: NAME,
      workerData: { share, name: NAME },
      transferList: [share.writerPort.port],
      execArgv: [], // without the preloaded modules of the main thread
    })
    const calls = new ThreadCalls<UpstreamCalls>(thread, {
      ...claimsFor(blobs.claims, () => this.#thread !== thread),
      examine: (checksum) => this.#depot.examine(checksum),
    } satisfies DepotCalls)
    this.#thread = thread
    this.#calls = calls
    let isOpen = false
    let cause: unknown
    thread.on('error', (error) => (cause = error))
    thread.on('exit', (code) => {
      const reason = new Error(`the thread ${NAME} ended with ${code}`, { cause })
      this.#thread = undefined
      this.#calls = undefined
      calls.end(this.#isClosed ? shuttingDown() : reason)
      this.#arrivals.fail()
      if (this.#isClosed || !isOpen) return
      log.error({ err: cause ?? reason }, 'the thread that asks upstream died and is being replaced')
      this.#replaceLater()
    })
    try {
      await calls.call('open')
      if (this.#isStarted) await calls.call('start')
      isOpen = true
    } catch (error) {
      await thread.terminate() // it would keep the process from ending
      throw error
    }
  }

  #replaceLater(): void {
    setTimeout(() => void this.#replace(), RESTART_AFTER_MS).unref()
  }

  async #replace(): Promise<void> {
    if (this.#isClosed) return
    const { blobs, log } = this.#depot
    try {
      await blobs.spool.removeFilesOf(NAME)
      await this.#launch()
    } catch (error) {
      if (this.#isClosed) return
      log.error({ err: error }, 'the thread that asks upstream did not start; trying again')
      this.#replaceLater()
    }
  }
}
