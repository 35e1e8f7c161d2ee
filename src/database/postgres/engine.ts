import { join } from 'node:path'
import { sql } from 'kysely'
import type { Db, Engine, Listener, ListenerOptions, Reading, Reads, Trx, Writing } from '../database.ts'
import { readMigrations } from '../migrations.ts'
import { PACKAGE_ROOT } from '../../package-root.ts'
import { BEGIN_LOADING, BEGIN_WRITING, connectClient, openPool, openSnapshot } from './connection.ts'
import type { PostgresServer } from './connection.ts'
import { connectListener } from './listener.ts'
import { loadRows } from './load.ts'
import { findPending, migrate } from './migrate.ts'

const MIGRATIONS = join(PACKAGE_ROOT, 'migrations/postgres')
/** The number of the first migration. It makes the tables that SQLite's migrations up to this number make. */
const FIRST_MIGRATION = 35
/** The connections on which one answering thread reads at the same time. Further reads wait. */
const MAX_READS = 4
/** Further connections, for look-ups alone. */
const MAX_PROMPT_READS = 2

/** The channel on which writers notify all nodes of the last sequence of each commit. */
export const CHANNEL = 'hart_depot'

/** A database on a PostgreSQL server, which any number of processes read and write. */
export class PostgresEngine implements Engine {
  readonly isWrittenByOneProcess = false
  readonly files: readonly string[] = []
  readonly logFiles: readonly string[] = []
  readonly #server: PostgresServer

  constructor(server: PostgresServer) {
    this.#server = server
  }

  get name(): string {
    const { host, pathname } = new URL(this.#server.url)
    return `postgres://${host}${pathname}`
  }

  async migrate(at: number): Promise<void> {
    const client = await connectClient(this.#server, { name: 'migration', max: 1 })
    try {
      await migrate(client, readMigrations(MIGRATIONS, FIRST_MIGRATION), at)
    } finally {
      await client.end()
    }
  }

  async pendingMigrations(): Promise<readonly string[]> {
    const client = await connectClient(this.#server, { name: 'migration', max: 1, isReadOnly: true })
    try {
      const pending = await findPending(client, readMigrations(MIGRATIONS, FIRST_MIGRATION))
      return pending.map(({ name }) => name)
    } finally {
      await client.end()
    }
  }

  async open(at: number): Promise<Reading & Writing> {
    await this.migrate(at)
    const [reading, writing] = [await this.openReader(), await this.openWriting()]
    return {
      ...writing,
      reader: reading.reader,
      async close() {
        await reading.close()
        await writing.close()
      },
    }
  }

  async openWriting(node = ''): Promise<Writing> {
    const { db, close } = openPool(this.#server, { name: 'writer', max: 1, begin: BEGIN_WRITING })
    return { writable: db, notify: async (trx, through) => notify(trx, through, node), close }
  }

  async openReader(): Promise<Reading> {
    const { db, close } = openPool(this.#server, { name: 'reads', max: MAX_READS, isReadOnly: true })
    return { reader: db, close }
  }

  async openSnapshot({ refusesWrites = false } = {}): Promise<Reading> {
    const { db, close } = openSnapshot(this.#server, refusesWrites)
    return { reader: db, close }
  }

  async load<T>(act: (db: Db) => Promise<T>): Promise<T> {
    const { db, close } = openPool(this.#server, { name: 'load', max: 1, begin: BEGIN_LOADING })
    try {
      return await loadRows(db, act)
    } finally {
      await close()
    }
  }

  listen(options: ListenerOptions): Promise<Listener> {
    return connectListener(this.#server, options)
  }

  openReads(): Reads {
    const reads = openPool(this.#server, { name: 'reads', max: MAX_READS, isReadOnly: true })
    const prompt = openPool(this.#server, { name: 'reads', max: MAX_PROMPT_READS, isReadOnly: true })
    return {
      db: () => reads.db,
      promptDb: () => prompt.db,
      start: () => undefined,
      close: async () => void (await Promise.all([reads.close(), prompt.close()])),
    }
  }
}

/** Tells all nodes the sequence of the last entry and the node that wrote it, once they are committed. */
async function notify(trx: Trx, through: number, node: string): Promise<void> {
  await sql`select pg_notify(${CHANNEL}, ${`${through} ${node}`})`.execute(trx)
}
