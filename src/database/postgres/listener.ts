import { Client, DatabaseError, types } from 'pg'

/** A row of a result. 64-bit numbers come as numbers. */
export type Row = Readonly<Record<string, unknown>>

export interface ListenerOptions {
  /** `postgres://…`. It must reach the server itself: a pooler in transaction mode loses notifications. */
  readonly url: string
  /** How long connecting or a query may take, in milliseconds. After that, the connection is given up. */
  readonly timeoutMs: number
  readonly onNotification: (channel: string, payload: string) => void
  /** Called once, when the connection is lost or given up. Not called by {@link Listener.close}. */
  readonly onLost: (error: Error) => void
}

/**
 * A connection that hears notifications and runs small queries, one after another. An error of a connection
 * that hangs or was cut comes after `timeoutMs` at the latest.
 */
export class Listener {
  readonly #client: Client
  readonly #onLost: (error: Error) => void
  #isOpen = true
  #last: Promise<unknown> = Promise.resolve()

  private constructor(client: Client, onLost: (error: Error) => void) {
    this.#client = client
    this.#onLost = onLost
  }

  /** Connects. Rejects if the server does not answer in time. The caller closes the listener. */
  static async connect({ url, timeoutMs, onNotification, onLost }: ListenerOptions): Promise<Listener> {
    const client = new Client({
      connectionString: url,
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
      statement_timeout: timeoutMs,
      keepAlive: true,
      application_name: 'hart-depot node',
      types: { getTypeParser: parserOf },
    })
    const listener = new Listener(client, onLost)
    client.on('error', (error) => listener.#lose(error))
    client.on('end', () => listener.#lose(new Error('the connection to PostgreSQL ended')))
    client.on('notification', ({ channel, payload = '' }) => onNotification(channel, payload))
    try {
      await client.connect()
      return listener
    } catch (error) {
      listener.#isOpen = false
      void listener.#destroy()
      throw error
    }
  }

  /** Runs a query after those before it. An error that the server did not report gives the connection up. */
  query<R extends Row = Row>(text: string, values?: readonly unknown[]): Promise<readonly R[]> {
    const rows = this.#last.then(() => this.#run<R>(text, values))
    this.#last = rows.catch(() => undefined)
    return rows
  }

  async #run<R extends Row>(text: string, values: readonly unknown[] | undefined): Promise<readonly R[]> {
    if (!this.#isOpen) throw new Error('the connection to PostgreSQL is closed')
    try {
      const result = await this.#client.query<R>(text, values && [...values])
      return result.rows
    } catch (error) {
      if (!(error instanceof DatabaseError)) this.#lose(error as Error)
      throw error
    }
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    await this.#client.end()
  }

  /** Closes the socket, even while a query hangs. */
  async #destroy(): Promise<void> {
    try {
      await this.#client.end()
    } catch {
      // It was closed already.
    }
  }

  #lose(error: Error): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#onLost(error)
    void this.#destroy()
  }
}

const INT8 = 20

function parserOf(oid: number): (value: string) => unknown {
  return oid === INT8 ? Number : types.getTypeParser(oid, 'text')
}
