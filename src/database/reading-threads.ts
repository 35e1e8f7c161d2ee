import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Kysely, SqliteAdapter, SqliteIntrospector } from 'kysely'
import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from 'kysely'
import { DepotError } from '../errors.ts'
import { unpackError } from '../threads/thread-error.ts'
import type { Db } from './database.ts'
import { StablePlanCompiler } from './dialect.ts'
import type { Query, QueryAnswer } from './reading-thread.ts'
import type { Schema } from './schema.ts'

/** Started at once, so that the first long read finds the next one a thread. */
const FIRST_THREADS = 2
/** As many reads go on at the same time; each costs a thread. The others wait for the first that is done. */
const MOST_THREADS = 4
// Beside this file, whether that is the source or what was built from it.
const THREAD = new URL(`./reading-thread${extname(import.meta.filename)}`, import.meta.url)

interface Reading {
  readonly query: Query
  resolve(rows: unknown[]): void
  reject(error: unknown): void
}

/**
 * Reads a database in threads, so that whoever polls does not wait for a search. A thread is started when all others are busy, and kept;
 * one that dies takes its read with it, and another takes its place. What was committed before a read is asked for is seen by it.
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

  /** What stores' queries run on. Transactions do not: each read is of the state that it finds. */
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

  /** Rejects what waits with `shutting_down`; what is being read comes to its end. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const reading of this.#waiting.splice(0)) reading.reject(closed())
    const threads = [...this.#idle.splice(0), ...this.#busy.keys()]
    await Promise.all(
      threads.map(async (thread) => {
        const gone = once(thread, 'exit')
        thread.ref() // or the process might end while we wait
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
    const thread = new Worker(THREAD, { workerData: { file: this.#file }, execArgv: [] }) // what its parent preloads is no concern of it
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

/** What kysely would take one at a time, for SQLite's sake, goes on in several threads here. */
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
