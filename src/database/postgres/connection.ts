import { Kysely } from 'kysely'
import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import { Client, Pool } from 'pg'
import type { ClientConfig, PoolClient } from 'pg'
import type { PostgresLocation } from '../../config/database.ts'
import { isConnectionLost, translateLost } from './errors.ts'
import type { Db } from '../database.ts'
import type { Schema } from '../schema.ts'
import { CompilingDialect } from './compiler.ts'

/** How long to wait for a connection. */
const CONNECT_MS = 5_000
/** A statement that reads may take this long. */
const READ_MS = 30_000
/** A statement of the writer may take this long. */
const WRITE_MS = 60_000
/** How long a writer waits for its turn. */
const TURN_MS = 15_000
/** After this time without a statement, the server ends a transaction, whose node may be dead. */
const IDLE_IN_TRANSACTION_MS = 10_000
/** An unused connection is closed after this time. */
const IDLE_MS = 60_000
/** How much longer than the server the driver waits for the end of a statement. */
const GRACE_MS = 5_000
/** After this time of silence, each side asks whether the other one is there. */
const KEEPALIVE_MS = 10_000
/** The server gives up a connection after this many questions without an answer. */
const KEEPALIVE_COUNT = 3

/** Statements are prepared by name on each connection, if they are no longer than this. */
const MAX_NAMED_SQL_LENGTH = 10_000
const MAX_NAMED_STATEMENTS = 1_000

/** `bool`, `int8` and `numeric`, which is the type of sums of `int8` (pg_type.dat). */
const [BOOL, INT8, NUMERIC] = [16, 20, 1700]

/** The lock that a writer has during its transaction, so that writers take turns. */
export const WRITERS_TURN = 4_117_001
/** The lock of a process that migrates. */
export const MIGRATING = 4_117_002

/** What a connection is for. */
export interface Use {
  /** In `pg_stat_activity`. */
  readonly name: 'reads' | 'writer' | 'snapshot' | 'migration' | 'listener' | 'load'
  readonly max: number
  /** The statements that begin a transaction. By default, `begin`. */
  readonly begin?: string
  readonly isReadOnly?: boolean
}

/** The statements with which the writer begins: it waits for its turn, and cannot keep it for long. */
export const BEGIN_WRITING = [
  'begin',
  `set local statement_timeout = ${WRITE_MS}`,
  `set local lock_timeout = ${TURN_MS}`,
  `set local idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS}`,
  `select pg_advisory_xact_lock(${WRITERS_TURN})`,
].join('; ')

/** A PostgreSQL database with the URL that was read. */
export interface PostgresServer extends PostgresLocation {
  readonly url: string
}

/**
 * Returns the settings of a connection. A pooler (PgBouncer) refuses parameters of the session, and gives the
 * same session to many, so behind one the role's own settings apply.
 */
export function settingsFor(
  { url, listenUrl }: PostgresServer,
  { name, isReadOnly = false }: Use,
): ClientConfig {
  const isDirect = listenUrl === undefined || name === 'listener' || name === 'migration'
  const options = {
    ...(isReadOnly && { default_transaction_read_only: 'on' }),
    tcp_keepalives_idle: KEEPALIVE_MS / 1_000,
    tcp_keepalives_interval: KEEPALIVE_MS / 1_000,
    tcp_keepalives_count: KEEPALIVE_COUNT,
  }
  return {
    connectionString: isDirect ? (listenUrl ?? url) : url,
    application_name: `hart-depot ${name}`,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_MS,
    types: { getTypeParser: (oid: number) => PARSERS.get(oid) ?? String },
    ...(name !== 'migration' &&
      name !== 'listener' && { query_timeout: (name === 'writer' ? WRITE_MS : READ_MS) + GRACE_MS }),
    ...(isDirect && {
      options: Object.entries(options)
        .map(([key, value]) => `-c ${key}=${value}`)
        .join(' '),
      ...(name === 'reads' && { statement_timeout: READ_MS }),
      ...(name === 'snapshot' && { idle_in_transaction_session_timeout: WRITE_MS }),
    }),
  }
}

const PARSERS: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [BOOL, (text) => (text === 't' ? 1 : 0)], // as SQLite has them
  [INT8, parseNumber],
  [NUMERIC, parseNumber],
  [21, Number],
  [23, Number],
  [700, Number],
  [701, Number],
])

/** Throws for a number that JavaScript would round. */
function parseNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) && /^-?\d+$/.test(text))
    throw new Error(`${text} is too large for a number of JavaScript`)
  return value
}

/** Connects one client, which the caller ends. Errors of the idle connection are ignored. */
export async function connectClient(server: PostgresServer, use: Use): Promise<Client> {
  const client = new Client(settingsFor(server, use))
  client.on('error', () => undefined)
  await client.connect().catch(rethrow)
  return client
}

interface OpenPool {
  readonly db: Db
  readonly close: () => Promise<void>
}

/** Opens a pool of connections. They are made when they are first needed. The caller closes it. */
export function openPool(server: PostgresServer, use: Use): OpenPool {
  const pool = new Pool({ ...settingsFor(server, use), max: use.max, idleTimeoutMillis: IDLE_MS })
  // The next query notices a connection that was lost.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  const isNaming = server.listenUrl === undefined
  const clients = new WeakMap<PoolClient, PooledClient>()
  const pooled: PostgresPool = {
    options: {},
    async connect() {
      const client = await pool.connect().catch(rethrow)
      const known = clients.get(client) ?? new PooledClient(client, isNaming, use.begin)
      clients.set(client, known)
      return known
    },
    end: () => pool.end(),
  }
  const db = new Kysely<Schema>({ dialect: new CompilingDialect({ pool: pooled }) })
  return { db, close: async () => pool.end() }
}

/**
 * Opens a connection on which every read sees the state of the database at the first one. What is written
 * there, for example temporary tables, does not last. With `refusesWrites`, writes fail.
 */
export function openSnapshot(
  server: PostgresServer,
  refusesWrites: boolean,
): { reader: Db; close(): Promise<void> } {
  const client = new Client(settingsFor(server, { name: 'snapshot', max: 1 }))
  client.on('error', () => undefined)
  const begin = `start transaction isolation level repeatable read${refusesWrites ? ', read only' : ''}`
  let opening: Promise<PostgresPoolClient> | undefined
  const open = async (): Promise<PostgresPoolClient> => {
    await client.connect().catch(rethrow)
    await client.query(begin).catch(rethrow)
    return {
      query: async <R>(text?: string, values?: readonly unknown[]) =>
        (await client
          .query(text ?? '', [...(values ?? [])])
          .catch(rethrow)) as unknown as PostgresQueryResult<R>,
      release: () => undefined,
    } as PostgresPoolClient
  }
  const pooled: PostgresPool = {
    options: {},
    connect: async () => (opening ??= open()),
    end: async () => undefined,
  }
  const reader = new Kysely<Schema>({ dialect: new CompilingDialect({ pool: pooled }) })
  return { reader, close: async () => void (opening !== undefined && (await client.end())) }
}

function rethrow(error: unknown): never {
  throw translateLost(error)
}

/** The names of prepared statements, by their texts. The server plans a named statement once. */
const NAMES = new Map<string, string>()

function nameOf(sql: string): string | undefined {
  if (sql.length > MAX_NAMED_SQL_LENGTH) return undefined
  const known = NAMES.get(sql)
  if (known !== undefined || NAMES.size >= MAX_NAMED_STATEMENTS) return known
  const name = `depot_${NAMES.size}`
  NAMES.set(sql, name)
  return name
}

/** A connection of a pool, as Kysely uses it. It is closed after an error that leaves it in doubt. */
class PooledClient implements PostgresPoolClient {
  readonly #client: PoolClient
  readonly #isNaming: boolean
  readonly #begin: string | undefined
  #isLost = false

  constructor(client: PoolClient, isNaming: boolean, begin: string | undefined) {
    this.#client = client
    this.#isNaming = isNaming
    this.#begin = begin
  }

  query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>
  query(): never
  async query<R>(sql = '', parameters: readonly unknown[] = []): Promise<PostgresQueryResult<R>> {
    try {
      // Several statements in one text cannot be prepared.
      if (sql === 'begin' && this.#begin !== undefined) {
        await this.#client.query(this.#begin)
        return { command: 'SELECT', rowCount: 0, rows: [] }
      }
      const name = this.#isNaming ? nameOf(sql) : undefined
      const result = await this.#client.query({ text: sql, values: [...parameters], ...(name && { name }) })
      return result as unknown as PostgresQueryResult<R>
    } catch (cause) {
      const error = translateLost(cause)
      this.#isLost ||= isConnectionLost(error)
      throw error
    }
  }

  release(isBroken = false): void {
    this.#client.release(isBroken || this.#isLost)
  }
}
