import { Kysely } from 'kysely'
import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import { DatabaseError } from 'pg'
import type { Client, QueryResult } from 'pg'
import type { Db, Listener, ListenerOptions, Row } from '../database.ts'
import type { Schema } from '../schema.ts'
import { ClosingClient } from './closing-client.ts'
import { CompilingDialect } from './compiler.ts'
import { settingsFor } from './connection.ts'
import type { PostgresServer } from './connection.ts'

/** Connects without a pooler. Rejects if the server does not answer in time. The caller closes the result. */
export async function connectListener(
  server: PostgresServer,
  { timeoutMs, onNotification, onLost }: ListenerOptions,
): Promise<Listener> {
  const client = new ClosingClient({
    ...settingsFor(server, { name: 'listener', max: 1 }),
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    lock_timeout: timeoutMs, // a session that waits for a lock outlives its connection
  })
  const listener = new PostgresListener(client, onLost)
  client.on('error', (error) => listener.lose(error))
  client.on('end', () => listener.lose(new Error('the connection to PostgreSQL ended')))
  client.on('notification', ({ channel, payload = '' }) => onNotification(channel, payload))
  try {
    await client.connect()
    return listener
  } catch (error) {
    await listener.close()
    throw error
  }
}

class PostgresListener implements Listener {
  readonly db: Db
  readonly #client: Client
  readonly #onLost: (error: Error) => void
  #isOpen = true
  #last: Promise<unknown> = Promise.resolve()

  constructor(client: Client, onLost: (error: Error) => void) {
    this.#client = client
    this.#onLost = onLost
    const connection = {
      query: async <R>(text: string, values: readonly unknown[]) =>
        (await this.#inTurn(text, values)) as unknown as PostgresQueryResult<R>,
      release: () => undefined,
    } as PostgresPoolClient
    const pool: PostgresPool = { options: {}, connect: async () => connection, end: async () => undefined }
    this.db = new Kysely<Schema>({ dialect: new CompilingDialect({ pool }) })
  }

  async query<R extends Row = Row>(text: string, values?: readonly unknown[]): Promise<readonly R[]> {
    const { rows } = await this.#inTurn(text, values)
    return rows as R[]
  }

  /** Reports that the connection is lost, and closes it. */
  lose(error: Error): void {
    if (!this.#isOpen) return
    this.#onLost(error)
    void this.close()
  }

  /** Closes the socket, even while a query hangs. */
  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    try {
      await this.#client.end()
    } catch {
      // It was closed already.
    }
  }

  #inTurn(text: string, values: readonly unknown[] | undefined): Promise<QueryResult> {
    const result = this.#last.then(() => this.#run(text, values))
    this.#last = result.catch(() => undefined)
    return result
  }

  async #run(text: string, values: readonly unknown[] | undefined): Promise<QueryResult> {
    if (!this.#isOpen) throw new Error('the connection to PostgreSQL is closed')
    try {
      return await this.#client.query(text, values && [...values])
    } catch (error) {
      if (!(error instanceof DatabaseError)) this.lose(error as Error)
      throw error
    }
  }
}
