import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { FastifyInstance } from 'fastify'
import type { Claims } from '../blobs/claims.ts'
import type { Config } from '../config.ts'
import type { Damage } from '../blobs/damage.ts'
import type { Depot, Share } from '../depot/open.ts'
import { ThreadCalls } from '../threads/thread-calls.ts'
import type { WebhookOperations } from '../delivery/webhooks.ts'
import type { Figures, FiguresText } from './operator/metrics.ts'

// Beside this file, whether that is the source or what was built from it.
const THREAD = new URL(`./worker-thread${extname(import.meta.filename)}`, import.meta.url)
/** What a thread that dies soon after its start waits for another to begin. */
const SOON_MS = 1_000

interface Address {
  readonly host: string
  readonly port: number
}

/** What all threads that answer requests have in one of them. */
export interface SharedServices {
  readonly webhooks: WebhookOperations
  /** Those of the whole depot. */
  readonly figures: () => Promise<FiguresText>
}

/** What one of them is told at its start. */
export interface WorkerStart {
  readonly host: string
  readonly port: number
  /** Of the thread, in letters and digits. */
  readonly name: string
  readonly share: Share
}

/** What this thread does for one of them. */
export type ParentCalls = {
  readonly [Name in keyof Claims]: Claims[Name]
} & {
  readonly [Name in keyof WebhookOperations]: WebhookOperations[Name]
} & Pick<SharedServices, 'figures'> & {
    readonly examine: (checksum: string) => Promise<Damage | undefined>
    readonly listening: () => Promise<void>
  }

/** And that one for it. */
export type WorkerCalls = {
  readonly figures: () => Promise<Figures>
  /** Resolves when all requests in flight are answered, and the thread is about to end. */
  readonly stop: () => Promise<void>
}

/** A thread, from its start to its end. */
interface RunningWorker {
  readonly calls: ThreadCalls<WorkerCalls>
  readonly thread: Worker
  readonly gone: Promise<unknown>
  isListening: boolean
}

/**
 * Threads besides this one that answer requests on the same port; the system deals out connections. Each is a whole server, with pointers and
 * bodies of its own; what there may be only one of (webhooks, claims on blobs, the sums of figures) it asks this thread for. One that dies
 * takes its connections with it, and another takes its place.
 */
export class Workers {
  readonly #depot: Depot
  readonly #count: number
  readonly #running = new Set<RunningWorker>()
  #services: SharedServices | undefined
  #stopping: Promise<void> | undefined
  #started = 0

  /** So many; none runs yet. */
  constructor(depot: Depot, count: number) {
    this.#depot = depot
    this.#count = count
  }

  /** Where they find what this thread has for them. */
  provide(services: SharedServices): void {
    this.#services = services
  }

  /** Resolves when all of them listen. Rejects when one cannot; those that can go on until {@link stop}. */
  async start(address: Address): Promise<void> {
    await Promise.all(Array.from({ length: this.#count }, () => this.#start(address)))
  }

  /** Those of threads that answer; one that is on its way out has taken its own with it. */
  async figures(): Promise<readonly Figures[]> {
    const found = await Promise.all(
      [...this.#running]
        .filter(({ isListening }) => isListening)
        .map(({ calls }) => calls.call('figures').catch(() => [])),
    )
    return found.filter((figures) => figures.length > 0)
  }

  /** They take no new connections, and end with the requests they have in flight. */
  stop(): Promise<void> {
    this.#stopping ??= Promise.all([...this.#running].map((worker) => end(worker))).then(() => undefined)
    return this.#stopping
  }

  async #start(address: Address): Promise<void> {
    const { log } = this.#depot
    const share = await this.#depot.share()
    this.#started += 1
    const name = `worker${this.#started}`
    const begun = performance.now()
    const start: WorkerStart = { ...address, name, share }
    const thread = new Worker(THREAD, {
      name,
      workerData: start,
      transferList: [share.writerPort.port],
      execArgv: [],
    }) // what its parent preloads is no concern of it
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
    if (this.#stopping !== undefined) void end(worker) // while it was on its way
    let cause: unknown
    thread.on('error', (error) => (cause = error))
    thread.on('exit', (code) => {
      this.#running.delete(worker)
      const reason = new Error(`the thread ${name} ended with ${code}`, { cause })
      calls.end(reason)
      reject(cause instanceof Error ? cause : reason)
      void this.#clear(name)
      if (this.#stopping !== undefined || !worker.isListening) return
      log.error(
        { err: cause ?? reason, worker: name },
        'a thread that answered requests died; another takes its place',
      )
      setTimeout(() => this.#replace(address), performance.now() - begun < SOON_MS ? SOON_MS : 0).unref()
    })
    await listening
  }

  #replace(address: Address): void {
    if (this.#stopping !== undefined) return
    this.#start(address).catch((error: unknown) => {
      if (this.#stopping !== undefined) return
      this.#depot.log.error(
        { err: error },
        'a thread that should answer requests did not start; it is tried again',
      )
      setTimeout(() => this.#replace(address), SOON_MS).unref()
    })
  }

  #parentCalls(isGone: () => boolean): Omit<ParentCalls, 'listening'> {
    const { claims } = this.#depot.blobs
    const { webhooks, figures } = this.#services ?? notProvided()
    return {
      async keep(spooled, checksum) {
        await claims.keep(spooled, checksum)
        if (isGone()) await claims.release(checksum) // it can have told nobody of it
      },
      release: (checksum) => claims.release(checksum),
      forget: (checksum) => claims.forget(checksum),
      examine: (checksum) => this.#depot.examine(checksum),
      progressOf: (webhook) => webhooks.progressOf(webhook),
      flush: () => webhooks.flush(),
      ping: (webhook) => webhooks.ping(webhook),
      refuseUnreachable: (url) => webhooks.refuseUnreachable(url),
      figures,
    }
  }

  /**
   * Takes away what a thread that is gone was receiving. Its claims on blobs stay until the depot next starts: the writer may still have
   * the command that needs one, and a blob too many is better than a release without its bytes.
   */
  async #clear(name: string): Promise<void> {
    const { blobs, log } = this.#depot
    try {
      await blobs.sweep(name)
    } catch (error) {
      log.error(
        { err: error, worker: name },
        'what a thread left behind could not be cleared away; it is when the depot next starts',
      )
    }
  }
}

/**
 * Makes a server listen, and its workers. Where there are some, the port is tried first: the system would share it with another depot.
 * Resolves with the port; rejects with the system's error.
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

/** Listens for a moment. Resolves with the port, a free one for 0; rejects with the system's error. */
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

/** Before it listens, there is nothing to wait for. */
async function end({ calls, thread, gone, isListening }: RunningWorker): Promise<void> {
  if (isListening) calls.call('stop').catch(() => undefined)
  else await thread.terminate()
  await gone
}

function notProvided(): never {
  throw new Error('workers start once the server is built')
}
