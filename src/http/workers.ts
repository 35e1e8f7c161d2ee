import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { FastifyInstance } from 'fastify'
import { claimsFor } from '../blobs/claims.ts'
import type { Claims } from '../blobs/claims.ts'
import type { Config } from '../config/config.ts'
import type { Damage } from '../blobs/storage.ts'
import type { Depot, Share } from '../depot/depot.ts'
import { makeSeed } from '../pollers/pollers.ts'
import type { PollCounts } from '../pollers/pollers.ts'
import { ThreadCalls } from '../threads/thread-calls.ts'
import type { WebhookOperations } from '../delivery/webhooks.ts'
import type { MirrorOperations } from '../upstream/mirror.ts'
import type { RefreshOperations } from '../upstream/refresher.ts'
import type { UpstreamOperations } from '../upstream/upstream.ts'
import type { MetricsText } from './operator/metrics.ts'
import type { MetricsJson } from './operator/request-metrics.ts'

// The extension is .ts in the source and .js in a build.
const THREAD = new URL(`./worker-thread${extname(import.meta.filename)}`, import.meta.url)
/** If a worker dies within this time of its start, its replacement starts this long after the death. */
const SOON_MS = 1_000

interface Address {
  readonly host: string
  readonly port: number
}

/**
 * Services that exist once per depot, in the main thread, and are shared by all threads that answer requests.
 */
export interface SharedServices {
  readonly webhooks: WebhookOperations
  readonly upstream: UpstreamOperations | undefined
  readonly refresher: RefreshOperations | undefined
  readonly mirror: MirrorOperations | undefined
  /** The metrics of the whole depot. */
  readonly metricsText: () => Promise<MetricsText>
  /** The counts of polls of the whole depot. */
  readonly pollCounts: () => Promise<PollCounts>
}

/** The data a worker starts with. */
export interface WorkerStart extends Address {
  /** The name of the thread, in letters and digits. */
  readonly name: string
  readonly share: Share
  /** The seed of the estimates of pollers, which all threads share; see {@link Pollers}. */
  readonly pollerSeed: number
}

/** The calls that a worker makes to the main thread. */
export type ParentCalls = {
  readonly [Name in keyof Claims]: Claims[Name]
} & {
  readonly [Name in keyof WebhookOperations]: WebhookOperations[Name]
} & {
  readonly [Name in keyof UpstreamOperations]: UpstreamOperations[Name]
} & {
  readonly [Name in keyof RefreshOperations]: RefreshOperations[Name]
} & {
  readonly [Name in keyof MirrorOperations]: MirrorOperations[Name]
} & Pick<SharedServices, 'metricsText' | 'pollCounts'> & {
    readonly examine: (checksum: string) => Promise<Damage | undefined>
    readonly listening: () => Promise<void>
  }

/** The calls that the main thread makes to a worker. */
export type WorkerCalls = {
  readonly metricsJson: () => Promise<MetricsJson>
  /** The counts of the polls that the thread answered. */
  readonly threadPollCounts: () => Promise<PollCounts>
  /** Resolves when all requests in flight are answered and the thread is about to end. */
  readonly stop: () => Promise<void>
}

/** A worker thread between its start and its end. */
interface RunningWorker {
  readonly calls: ThreadCalls<WorkerCalls>
  readonly thread: Worker
  readonly gone: Promise<unknown>
  isListening: boolean
}

/**
 * The worker threads, which answer requests on the same port as the main thread; the system distributes
 * connections. Each worker is a complete server with its own pointers and bodies. It calls the main thread
 * for what may exist only once, such as webhooks, claims on blobs and the sums of metrics. A worker that dies
 * loses its connections and is replaced.
 */
export class Workers {
  readonly #depot: Depot
  readonly #count: number
  readonly #running = new Set<RunningWorker>()
  readonly #starting = new Set<Promise<void>>()
  #services: SharedServices | undefined
  #stopping: Promise<void> | undefined
  #started = 0
  /** The seed of the estimates of pollers, which all threads share; see {@link Pollers}. */
  readonly pollerSeed = makeSeed()

  /** Starts no threads; see {@link start}. */
  constructor(depot: Depot, count: number) {
    this.#depot = depot
    this.#count = count
  }

  /** Sets the services that workers call. Must be called before {@link start}. */
  provide(services: SharedServices): void {
    this.#services = services
  }

  /** Resolves when all workers listen. Rejects when one cannot; the others run until {@link stop}. */
  async start(address: Address): Promise<void> {
    await Promise.all(Array.from({ length: this.#count }, () => this.#start(address)))
  }

  /** Returns the metrics of the listening workers. The metrics of a worker that is ending are lost. */
  async metricsJson(): Promise<readonly MetricsJson[]> {
    const found = await Promise.all(
      [...this.#running]
        .filter(({ isListening }) => isListening)
        .map(({ calls }) => calls.call('metricsJson').catch(() => [])),
    )
    return found.filter(({ length }) => length > 0)
  }

  /** Returns the counts of polls of the listening workers. The counts of a worker that is ending are lost. */
  async pollCounts(): Promise<readonly PollCounts[]> {
    const found = await Promise.all(
      [...this.#running]
        .filter(({ isListening }) => isListening)
        .map(({ calls }) => calls.call('threadPollCounts').catch(() => undefined)),
    )
    return found.filter((counts) => counts !== undefined)
  }

  /** Stops all workers: they accept no new connections and finish the requests in flight. */
  stop(): Promise<void> {
    this.#stopping ??= this.#endAll()
    return this.#stopping
  }

  async #endAll(): Promise<void> {
    await Promise.all([...this.#running].map((worker) => end(worker)))
    await Promise.allSettled(this.#starting) // a worker that starts meanwhile ends by itself
  }

  #start(address: Address): Promise<void> {
    const starting = this.#launch(address).finally(() => this.#starting.delete(starting))
    this.#starting.add(starting)
    return starting
  }

  async #launch(address: Address): Promise<void> {
    const { log } = this.#depot
    const share = await this.#depot.share()
    this.#started += 1
    const name = `worker${this.#started}`
    const begun = performance.now()
    const start: WorkerStart = { ...address, name, share, pollerSeed: this.pollerSeed }
    const thread = new Worker(THREAD, {
      name,
      workerData: start,
      transferList: [share.writerPort.port],
      execArgv: [], // without the preloaded modules of the main thread
    })
    const { promise: listening, resolve, reject } = Promise.withResolvers<void>()
    const calls = new ThreadCalls<WorkerCalls>(thread, {
      ...this.#parentCalls(() => !this.#running.has(worker)),
      listening: async () => {
        worker.isListening = true
        resolve()
      },
    })
    const worker: RunningWorker = {
      calls,
      thread,
      gone: once(thread, 'exit').catch(() => undefined),
      isListening: false,
    }
    this.#running.add(worker)
    if (this.#stopping !== undefined) void end(worker) // stop() was called during the start
    let cause: unknown
    thread.on('error', (error) => (cause = error))
    thread.on('exit', (code) => {
      this.#running.delete(worker)
      const reason = new Error(`the thread ${name} ended with ${code}`, { cause })
      calls.end(reason)
      reject(cause instanceof Error ? cause : reason)
      void this.#removeUploadsOf(name)
      if (this.#stopping !== undefined || !worker.isListening) return
      log.error({ err: cause ?? reason, worker: name }, 'a worker thread died and is being replaced')
      setTimeout(() => this.#replace(address), performance.now() - begun < SOON_MS ? SOON_MS : 0).unref()
    })
    await listening
  }

  #replace(address: Address): void {
    if (this.#stopping !== undefined) return
    this.#start(address).catch((error: unknown) => {
      if (this.#stopping !== undefined) return
      this.#depot.log.error({ err: error }, 'a worker thread did not start; trying again')
      setTimeout(() => this.#replace(address), SOON_MS).unref()
    })
  }

  #parentCalls(isGone: () => boolean): Omit<ParentCalls, 'listening'> {
    const { claims } = this.#depot.blobs
    const { webhooks, upstream, refresher, mirror, metricsText, pollCounts } = this.#services ?? notProvided()
    const asked = () => upstream ?? noUpstream()
    return {
      ...claimsFor(claims, isGone),
      examine: (checksum) => this.#depot.examine(checksum),
      progressOf: (webhook) => webhooks.progressOf(webhook),
      flush: () => webhooks.flush(),
      ping: (webhook) => webhooks.ping(webhook),
      expectReachable: (url) => webhooks.expectReachable(url),
      fetchMissing: (release, asker) => asked().fetchMissing(release, asker),
      showMissing: (release, asker) => asked().showMissing(release, asker),
      fetchKeys: (origin, revision, asker) => asked().fetchKeys(origin, revision, asker),
      refresh: (channels, options) => (refresher ?? noUpstream()).refresh(channels, options),
      refreshing: () => (refresher ?? noUpstream()).refreshing(),
      startMirror: () => (mirror ?? noUpstream()).startMirror(),
      mirrorStatus: () => (mirror ?? noUpstream()).mirrorStatus(),
      planMirror: () => (mirror ?? noUpstream()).planMirror(),
      metricsText,
      pollCounts,
    }
  }

  /**
   * Deletes the unfinished uploads of a worker that died. Its claims on blobs stay until the next start,
   * because the writer may still have a command that needs one: a superfluous blob is better than a release
   * without bytes.
   */
  async #removeUploadsOf(name: string): Promise<void> {
    const { blobs, log } = this.#depot
    try {
      await blobs.spool.removeFilesOf(name)
    } catch (error) {
      log.error(
        { err: error, worker: name },
        'the unfinished uploads of a dead worker could not be deleted; the next start deletes them',
      )
    }
  }
}

/**
 * Makes the server and its workers listen, and resolves with the port. With workers, the port is first tried
 * without sharing: a shared port could also belong to another depot, and the system would distribute
 * connections between both. Rejects with the error of the system, or of a worker that did not start.
 */
export async function listen(
  app: FastifyInstance,
  { host, port }: Pick<Config, 'host' | 'port'>,
  workers: Workers | undefined,
): Promise<number> {
  if (workers === undefined) {
    await app.listen({ host, port })
    return portOf(app.server.address())
  }
  const address = { host, port: await tryPort({ host, port }) }
  await app.listen({ ...address, reusePort: true } as { host: string; port: number })
  await workers.start(address)
  return address.port
}

/** Listens briefly and resolves with the port; 0 chooses a free one. Rejects with the system's error. */
export async function tryPort({ host, port }: Address): Promise<number> {
  const server = createServer().listen({ host, port })
  await once(server, 'listening')
  const found = portOf(server.address())
  server.close()
  await once(server, 'close')
  return found
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}

/**
 * Ends a worker after its requests in flight. A worker that does not listen yet has no requests and is
 * terminated at once.
 */
async function end({ calls, thread, gone, isListening }: RunningWorker): Promise<void> {
  if (isListening) calls.call('stop').catch(() => thread.terminate())
  else await thread.terminate()
  await gone
}

function noUpstream(): never {
  throw new Error('workers ask upstream only with DEPOT_UPSTREAM')
}

function notProvided(): never {
  throw new Error('provide() must be called before start()')
}
