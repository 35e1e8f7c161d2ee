import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Kysely, SqliteAdapter, SqliteIntrospector } from 'kysely'
import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from 'kysely'
import { DepotError } from '../../errors.ts'
import { unpackError } from '../../threads/thread-error.ts'
import type { Db } from '../database.ts'
import { StablePlanCompiler } from './compiler.ts'
import type { Query, QueryAnswer } from './reading-thread.ts'
import type { Schema } from '../schema.ts'

/** Threads that start at once, so that one long read leaves another thread free. */
const FIRST_THREADS = 2
/** The most parallel reads. Each takes a thread; further reads wait. */
const MOST_THREADS = 4
// The thread's file is next to this one, in the sources and in the build.
const THREAD = new URL(`./reading-thread${extname(import.meta.filename)}`, import.meta.url)

interface Reading {
  readonly query: Query
  resolve(rows: unknown[]): void
  reject(error: unknown): void
}

/**
 * Reads the database in threads, so that polls do not wait for a search. A thread starts when all others are busy, and
 * stays. A thread that dies fails its read and is replaced. A read sees everything committed before it was requested.
 */
export class ReadingThreads {
  readonly #file: string
  readonly #idle: Worker[] = []
  readonly #busy = new Map<Worker, Reading>()
  readonly #waiting: Reading[] = []
  #isClosed = false

  constructor(file: string) {
    this.#file = file
    while (this.#idle.length < FIRST_THREADS) this.#idle.push(this.#start())
    for (const thread of this.#idle) thread.unref()
  }

  /** The database for stores. It has no transactions: each read sees the latest state. */
  db(): Db {
    const connection: DatabaseConnection = {
      executeQuery: async <Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> => ({
        rows: (await this.#read({ sql, parameters })) as Row[],
      }),
      streamQuery() {
        throw new Error('reads in threads are not streamed')
      },
    }
    const driver: Driver = {
      init: async () => undefined,
      acquireConnection: async () => connection,
      beginTransaction: async () => {
        throw new Error('reads in threads are no transactions')
      },
      commitTransaction: async () => undefined,
      rollbackTransaction: async () => undefined,
      releaseConnection: async () => undefined,
      destroy: async () => undefined,
    }
    return new Kysely<Schema>({
      dialect: {
        createAdapter: () => new ManyConnections(),
        createDriver: () => driver,
        createIntrospector: (db) => new SqliteIntrospector(db),
        createQueryCompiler: () => new StablePlanCompiler(),
      },
    })
  }

  /** Rejects waiting reads with `shutting_down` and lets running reads finish. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const reading of this.#waiting.splice(0)) reading.reject(closed())
    const threads = [...this.#idle.splice(0), ...this.#busy.keys()]
    await Promise.all(
      threads.map(async (thread) => {
        const gone = once(thread, 'exit')
        thread.ref() // keeps the process alive while we wait
        post(thread, 'close')
        await gone
      }),
    )
  }

  #read(query: Query): Promise<unknown[]> {
    if (this.#isClosed) return Promise.reject(closed())
    const { promise, resolve, reject } = Promise.withResolvers<unknown[]>()
    this.#waiting.push({ query, resolve, reject })
    this.#dispatch()
    return promise
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#idle.pop() ?? (this.#busy.size < MOST_THREADS ? this.#start() : undefined)
      if (thread === undefined) return
      const reading = this.#waiting.shift()
      if (reading === undefined) return
      thread.ref()
      this.#busy.set(thread, reading)
      post(thread, reading.query)
    }
  }

  #start(): Worker {
    const thread = new Worker(THREAD, { workerData: { file: this.#file }, execArgv: [] }) // without the preloads of the parent thread
    thread.on('message', (answer: QueryAnswer) => {
      const reading = this.#finish(thread)
      if (!this.#isClosed) {
        thread.unref()
        this.#idle.push(thread)
      }
      if ('error' in answer) reading?.reject(unpackError(answer.error))
      else reading?.resolve(answer.rows)
      this.#dispatch()
    })
    const replace = (reason: unknown) => {
      const at = this.#idle.indexOf(thread)
      if (at !== -1) this.#idle.splice(at, 1)
      this.#finish(thread)?.reject(reason)
      this.#dispatch()
    }
    thread.on('error', replace)
    thread.on('exit', () => replace(new Error('a thread that read the database ended')))
    return thread
  }

  #finish(thread: Worker): Reading | undefined {
    const reading = this.#busy.get(thread)
    this.#busy.delete(thread)
    return reading
  }
}

/** Lets Kysely run queries in parallel, which its SQLite adapter forbids. */
class ManyConnections extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

function post(thread: Worker, message: Query | 'close'): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
  thread.postMessage(message)
}

function closed(): DepotError {
  return new DepotError('shutting_down', 'the depot is shutting down')
}
