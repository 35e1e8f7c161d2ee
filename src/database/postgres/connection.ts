import { Kysely } from 'kysely'
import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import { Pool } from 'pg'
import type { Client, ClientConfig, PoolClient } from 'pg'
import type { PostgresLocation } from '../../config/database.ts'
import { DepotError } from '../../errors.ts'
import { cannotStoreNul, hasNul } from '../errors.ts'
import { isConnectionLost, isPlanStale, translateLost } from './errors.ts'
import type { Db } from '../database.ts'
import type { Schema } from '../schema.ts'
import { ClosingClient } from './closing-client.ts'
import { CompilingDialect } from './compiler.ts'
import { connectionString } from './tls.ts'

/** How long to wait for the server when connecting. */
const CONNECT_MS = 5_000
/** How long to wait for a connection while all connections of a pool are in use. */
const MAX_WAIT_MS = 15_000
const RETRY_AFTER_SECONDS = 5
/** A statement that reads may take this long. */
const READ_MS = 30_000
/** A statement of the writer may take this long. */
const WRITE_MS = 60_000
/** How long a writer waits for its turn. */
const TURN_MS = 15_000
/** After this time without a statement, the server ends a transaction, because its node may be dead. */
const IDLE_IN_TRANSACTION_MS = 10_000
/** An unused connection is closed after this time. */
const IDLE_MS = 60_000
/** How much longer than the server the driver waits for the end of a statement. */
const GRACE_MS = 5_000
/** After this time of silence, each side asks whether the other one is there. */
const KEEPALIVE_MS = 10_000
/** The server gives up a connection after this many questions without an answer. */
const KEEPALIVE_COUNT = 3

/** The pool's message, which has no code. */
const WAITED_TOO_LONG = 'timeout exceeded when trying to connect'

/** Statements are prepared by name on each connection, if they are no longer than this. */
const MAX_NAMED_SQL_LENGTH = 10_000
const MAX_NAMED_STATEMENTS = 1_000

/** The object ids of types (pg_type.dat). `numeric` is the type of sums of `int8`. */
const TYPES = { bool: 16, int2: 21, int4: 23, int8: 20, float4: 700, float8: 701, numeric: 1700 }

/** The lock that a writer has during its transaction, so that writers take turns. */
export const WRITERS_TURN = 4_117_001
/** The lock of a process that migrates. */
export const MIGRATING = 4_117_002

/** What a connection is for. */
export interface Use {
  /** The name in `pg_stat_activity`. */
  readonly name: 'reads' | 'writer' | 'snapshot' | 'migration' | 'listener' | 'load'
  readonly max: number
  /** How long to wait while all connections are in use. */
  readonly waitMs?: number
  /** Present for writing: the statements that begin a transaction. See {@link Connection}. */
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

/** The statements with which a load begins. Later ones, over whole tables, may exceed the role's limit. */
export const BEGIN_LOADING = 'begin; set local statement_timeout = 0'

/** A PostgreSQL database with its URL, which may have been read from a file. */
export interface PostgresServer extends PostgresLocation {
  readonly url: string
}

/**
 * Returns the settings of a connection. A pooler (PgBouncer) refuses parameters of the session, because many
 * clients use the same session. So behind a pooler, the role's own settings apply.
 */
export function settingsFor(
  { url, listenUrl }: PostgresServer,
  { name, begin, isReadOnly = false }: Use,
): ClientConfig {
  const isDirect = listenUrl === undefined || name === 'listener' || name === 'migration'
  const options = {
    ...(isReadOnly && { default_transaction_read_only: 'on' }),
    tcp_keepalives_idle: KEEPALIVE_MS / 1_000,
    tcp_keepalives_interval: KEEPALIVE_MS / 1_000,
    tcp_keepalives_count: KEEPALIVE_COUNT,
    ...(name === 'migration' && { statement_timeout: 0 }), // the role may have a limit, for reads
  }
  return {
    connectionString: connectionString(isDirect ? (listenUrl ?? url) : url),
    application_name: `hart-depot ${name}`,
    pipeline: begin !== undefined,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_MS,
    types: { getTypeParser: (oid: number) => PARSERS.get(oid) ?? String },
    // A migration and a load have statements over whole tables.
    ...((name === 'writer' || name === 'reads' || name === 'snapshot') && {
      query_timeout: (name === 'writer' ? WRITE_MS : READ_MS) + GRACE_MS,
    }),
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
  [TYPES.bool, (text) => (text === 't' ? 1 : 0)], // as SQLite has them
  [TYPES.int2, Number],
  [TYPES.int4, Number],
  [TYPES.int8, parseNumber],
  [TYPES.float4, Number],
  [TYPES.float8, Number],
  [TYPES.numeric, parseNumber],
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
  const client = new ClosingClient(settingsFor(server, use))
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
  const settings = settingsFor(server, use)
  const pool = new Pool({
    ...settings,
    // The pool's limit is for the whole wait, and that of a client for connecting.
    connectionTimeoutMillis: use.waitMs ?? MAX_WAIT_MS,
    Client: class extends ClosingClient {
      constructor() {
        super(settings)
      }
    },
    max: use.max,
    idleTimeoutMillis: IDLE_MS,
  })
  // The next query notices a connection that was lost.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  const known = new WeakMap<PoolClient, Connection>()
  const connect = async () => {
    const client = await pool.connect().catch(rethrowWait)
    const options = {
      ...use,
      isNaming: isNaming(server),
      release: (isLost: boolean) => client.release(isLost),
    }
    const connection = known.get(client) ?? new Connection(client, options)
    known.set(client, connection)
    return connection
  }
  return { db: kysely(connect), close: async () => pool.end() }
}

/**
 * Opens a connection on which every read sees the state of the database at the first one. What is written
 * there, for example temporary tables, does not last. With `refusesWrites`, writes fail.
 */
export function openSnapshot(server: PostgresServer, refusesWrites: boolean): OpenPool {
  const client = new ClosingClient(settingsFor(server, { name: 'snapshot', max: 1 }))
  client.on('error', () => undefined)
  let opening: Promise<Connection> | undefined
  const open = async (): Promise<Connection> => {
    await client.connect().catch(rethrow)
    const connection = new Connection(client, { isNaming: isNaming(server), release: () => undefined })
    await connection.query(
      `start transaction isolation level repeatable read${refusesWrites ? ', read only' : ''}`,
      [],
    )
    return connection
  }
  return {
    db: kysely(async () => (opening ??= open())),
    async close() {
      if (opening !== undefined) await client.end()
    },
  }
}

function kysely(connect: () => Promise<PostgresPoolClient>): Db {
  const pool: PostgresPool = { options: {}, connect, end: async () => undefined }
  return new Kysely<Schema>({ dialect: new CompilingDialect({ pool }) })
}

function rethrowWait(error: unknown): never {
  if (!(error instanceof Error && error.message === WAITED_TOO_LONG)) return rethrow(error)
  throw new DepotError('overloaded', 'all connections to the database are in use; nothing was changed', {
    cause: error,
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  })
}

function rethrow(error: unknown): never {
  throw translateLost(error)
}

/** Behind a pooler, the next statement may go to another session, which does not have the prepared ones. */
function isNaming({ listenUrl }: PostgresServer): boolean {
  return listenUrl === undefined
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

const WRITES = /^(insert|update)\b/i
const MAX_INT8 = '9223372036854775807'

/** Statements that return no rows. When one of them has failed, its transaction cannot be committed. */
const DEFERRED = /^(begin$|(insert|update|delete)\b(?!.*\breturning\b)|select pg_notify\()/is
const MAX_DEFERRED = 32
/** A statement with a longer parameter is waited for, so that few such parameters are in memory at once. */
const MAX_DEFERRED_LENGTH = 64 * 1024
const NO_ROWS = { command: 'SELECT', rowCount: 0, rows: [] } as const

/** PostgreSQL stores no text with a NUL character. Lists are never stored, only compared with. */
function storedValue(parameter: unknown): unknown {
  if (hasNul(parameter)) throw cannotStoreNul()
  return Array.isArray(parameter) ? comparedValue(parameter) : parameter
}

/**
 * Replaces a value that PostgreSQL cannot take by one that compares the same way: a number beyond `int8`,
 * even an infinite one, by the outermost `int8`; a NUL character, which no stored text has, by U+FFFD.
 */
function comparedValue(parameter: unknown): unknown {
  if (typeof parameter === 'number') {
    if (parameter > Number.MAX_SAFE_INTEGER) return MAX_INT8
    return parameter < Number.MIN_SAFE_INTEGER ? `-${MAX_INT8}` : parameter
  }
  if (Array.isArray(parameter)) return parameter.map(comparedValue)
  return hasNul(parameter) ? parameter.replaceAll('\0', '\uFFFD') : parameter
}

type WiredClient = Pick<Client, 'query' | 'connection'>

function isShort(value: unknown): boolean {
  return typeof value !== 'string' || value.length <= MAX_DEFERRED_LENGTH
}

interface ConnectionOptions {
  readonly isNaming: boolean
  readonly begin?: string
  /** Returns the connection to its pool, which closes it if it is lost. */
  readonly release: (isLost: boolean) => void
}

/**
 * A connection as Kysely uses it. Runs one statement after another.
 *
 * With `begin`, a statement that returns no rows resolves when it is sent. If it fails, the next statement
 * that returns rows, or the commit, rejects with its error; the server runs neither. So the writes of a
 * transaction and its commit take one round trip. They do not say how many rows they changed.
 */
class Connection implements PostgresPoolClient {
  readonly #client: WiredClient
  readonly #options: ConnectionOptions
  #last: Promise<unknown> = Promise.resolve()
  #isLost = false
  #isKeeping = false
  /** How many statements were sent without waiting for their ends. */
  #deferred = 0
  /** The first error of these statements, until a caller gets it. */
  #deferredError: unknown
  /** How often a migration made prepared statements useless. They are then prepared under other names. */
  #generation = 0

  constructor(client: WiredClient, options: ConnectionOptions) {
    this.#client = client
    this.#options = options
  }

  query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>
  query(): never
  async query<R>(sql = '', parameters: readonly unknown[] = []): Promise<PostgresQueryResult<R>> {
    // A value that cannot be sent is refused before its statement counts as sent.
    const values = parameters.map(WRITES.test(sql) ? storedValue : comparedValue)
    if (this.#options.begin === undefined) {
      const result = this.#last.then(() => this.#send(sql, values))
      this.#last = result.catch(() => undefined)
      return (await result) as PostgresQueryResult<R>
    }
    const isDeferred = this.#deferred < MAX_DEFERRED && DEFERRED.test(sql) && values.every(isShort)
    if (isDeferred) this.#keepBytes(true)
    const result = this.#send(sql, values)
    if (isDeferred) {
      this.#defer(result)
      return NO_ROWS as unknown as PostgresQueryResult<R>
    }
    this.#keepBytes(false)
    const ended = await result.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    )
    const earlier = this.#deferredError // the statements before this one have ended
    this.#deferredError = undefined
    if (earlier !== undefined && !sql.startsWith('rollback')) throw earlier
    if ('error' in ended) throw ended.error
    return ended.value as PostgresQueryResult<R>
  }

  /** Keeps what is sent, or sends it together, so that the server wakes once for it. */
  #keepBytes(keeps: boolean): void {
    if (keeps === this.#isKeeping) return
    this.#isKeeping = keeps
    const { stream } = this.#client.connection
    if (keeps) stream.cork()
    else stream.uncork()
  }

  #defer(result: Promise<unknown>): void {
    this.#deferred += 1
    void result
      .catch((error: unknown) => (this.#deferredError ??= error))
      .finally(() => {
        this.#deferred -= 1
      })
  }

  async #send(sql: string, values: unknown[]): Promise<unknown> {
    const { isNaming: names, begin } = this.#options
    try {
      // Several statements in one text cannot be prepared.
      if (sql === 'begin' && begin !== undefined) return await this.#client.query(begin)
      const name = names ? nameOf(sql) : undefined
      return await this.#client.query({
        text: sql,
        values,
        ...(name && { name: `${name}_${this.#generation}` }),
      })
    } catch (cause) {
      if (isPlanStale(cause)) {
        this.#generation += 1
        if (begin === undefined) return this.#send(sql, values) // a writer runs its whole transaction again
      }
      const error = translateLost(cause)
      this.#isLost ||= isConnectionLost(error)
      throw error
    }
  }

  release(isBroken = false): void {
    this.#options.release(isBroken || this.#isLost)
  }
}
