import { extname } from 'node:path'
import { Kysely, SqliteAdapter, SqliteIntrospector } from 'kysely'
import type { CompiledQuery, DatabaseConnection, Driver, QueryResult, SqliteDatabase } from 'kysely'
import { ThreadPool } from '../../threads/thread-pool.ts'
import type { Db, Reads } from '../database.ts'
import { StablePlanCompiler } from './compiler.ts'
import { connect, withStatementCache } from './connection.ts'
import { traced } from '../../tracing/traced.ts'
import type { Query } from './reading-thread.ts'
import type { Schema } from '../schema.ts'

/** The maximum number of parallel reads. Each takes a thread; further reads wait. */
const MAX_THREADS = 4
/**
 * The size of SQLite's cache for the reads before {@link ReadingThreads.start}. It is small because few of
 * these reads read the same pages, and because the process would keep the memory.
 */
const STARTING_CACHE_KIB = 1024
// Rows are garbage as soon as they are sent to the calling thread. By default, V8 lets 30 MB of garbage pile
// up.
const HEAP_LIMITS = { maxYoungGenerationSizeMb: 4 }
// The thread's file is next to this one, in the sources and in the build.
const THREAD = new URL(`./reading-thread${extname(import.meta.filename)}`, import.meta.url)

/**
 * Reads the database in threads, so that polls do not wait for a search. A thread starts when all others are
 * busy, and ends after a minute without reads. A read sees everything that was committed before it was
 * requested.
 *
 * Until {@link start}, reads run in the calling thread: no request waits while a depot opens, and each
 * thread would take 50 ms and 8 MB.
 */
export class ReadingThreads implements Reads {
  readonly #threads: ThreadPool<Query, unknown[]>
  #starting: SqliteDatabase | undefined

  constructor(file: string) {
    this.#threads = new ThreadPool(THREAD, {
      maxThreads: MAX_THREADS,
      workerData: { file },
      resourceLimits: HEAP_LIMITS,
    })
    this.#starting = withStatementCache(connect(file, true, STARTING_CACHE_KIB))
  }

  /** Makes all later reads run in threads. */
  start(): void {
    this.#starting?.close()
    this.#starting = undefined
  }

  db(): Db {
    const connection: DatabaseConnection = {
      executeQuery: async <Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> => ({
        rows: (this.#starting?.prepare(sql).all(parameters) ??
          (await traced('read', { 'db.query.text': sql }, () =>
            this.#threads.run({ sql, parameters }),
          ))) as Row[],
      }),
      streamQuery() {
        throw new Error('reads in threads are not streamed')
      },
    }
    const driver: Driver = {
      init: async () => undefined,
      acquireConnection: async () => connection,
      beginTransaction: async () => {
        throw new Error('threads that read have no transactions')
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

  promptDb(): Db {
    return this.db()
  }

  close(): Promise<void> {
    this.start()
    return this.#threads.close()
  }
}

/** Lets Kysely run queries in parallel, which its SQLite adapter forbids. */
class ManyConnections extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
}
