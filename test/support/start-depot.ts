import { existsSync, rmSync } from 'node:fs'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import type { FastifyInstance } from 'fastify'
import { startProxy } from './http/proxy.ts'
import { copyTestDatabase, databaseSettings, dropTestDatabase, isOnPostgres } from './test-database.ts'
import type { CallerActor, Scope } from '../../src/access/access.ts'
import { getAccount } from '../../src/accounts/account-store.ts'
import { generateToken, hashToken } from '../../src/accounts/token.ts'
import { readConfig } from '../../src/config/config.ts'
import { readMigrations } from '../../src/database/migrations.ts'
import { migrate } from '../../src/database/sqlite/migrate.ts'
import { openDepot } from '../../src/depot/open.ts'
import type { Depot } from '../../src/depot/depot.ts'
import type { Limits } from '../../src/depot/limits.ts'
import { buildServer } from '../../src/http/server.ts'
import { Workers, listen } from '../../src/http/workers.ts'
import { openLogTo } from '../../src/log.ts'
import type { DeliveryOptions } from '../../src/delivery/webhooks.ts'

/** Tests of rights send many wrong tokens from one address. */
const LIMITS: Partial<Limits> = { wrongTokensPerMinute: 1_000_000 }

/** The time at which tests start. Each reading of the clock is a millisecond later. */
export const START = Date.parse('2026-01-01T00:00:00Z')

/**
 * Whether every depot that listens gets a second node on its database, and a URL that leads to both in turns.
 * Tests of the page run so on PostgreSQL with DEPOT_TEST_NODES=2.
 */
export const hasTwoNodes = isOnPostgres && process.env['DEPOT_TEST_NODES'] === '2'

export const ADMIN_TOKEN = 'administrator-token-of-the-tests'

export interface TestDepot {
  readonly depot: Depot
  readonly app: FastifyInstance
  readonly folder: string
  /** `http://127.0.0.1:PORT` with the option `listen`, else empty. */
  readonly url: string
  /** Everything logged so far, one object per line. */
  readonly logged: Record<string, unknown>[]
  /** Creates an account and returns a token of it. */
  account(name: string, scope?: Scope): Promise<string>
  /** Creates a token of an existing account, and returns the actor of requests with it. */
  actor(account: string, scope?: Scope): Promise<CallerActor>
  setClock(at: number): void
  /** Closes the server and the depot, and keeps the folder. */
  close(): Promise<void>
}

interface Teardown {
  teardown(fn: () => Promise<void>): unknown
}

type Environment = Readonly<Record<string, string>>

interface Options {
  readonly environment?: Environment
  readonly limits?: Partial<Limits>
  readonly listen?: boolean
  /** Reads and writes in threads, as a server does. By default, all steps happen in order. */
  readonly hasThreads?: boolean
  /** The clock that measures commands. By default, every command takes no time. */
  readonly elapsed?: () => number
  /** How webhooks are sent. */
  readonly webhooks?: Partial<DeliveryOptions>
  /** An existing data folder, which is kept. */
  readonly folder?: string
}

let migrated: Buffer | undefined

/** Writes an empty migrated database, unless there is one. */
async function writeMigrated(file: string): Promise<void> {
  if (!existsSync(file)) await writeFile(file, (migrated ??= migratedDatabase()), { mode: 0o600 })
}

/** Returns the bytes of an empty migrated database. Running every migration takes longer than most tests. */
function migratedDatabase(): Buffer {
  const connection = new BetterSqlite3(':memory:')
  try {
    migrate(connection, readMigrations(join(import.meta.dirname, '../../migrations/sqlite')), START)
    return connection.serialize()
  } finally {
    connection.close()
  }
}

/**
 * Returns a function that starts a listening depot with a copy of the data that `furnish` makes when it is
 * first needed. Making it again takes longer than most tests.
 */
export function furnished<Made>(
  furnish: (started: TestDepot) => Promise<Made>,
): (t: Teardown, environment?: Environment) => Promise<{ started: TestDepot; made: Made }> {
  const templates = new Map<string, Promise<{ folder: string; made: Made }>>()
  const make = async (environment: Environment) => {
    const folder = await mkdtemp(join(tmpdir(), 'hart-depot-furnished-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    const started = await startNode({ teardown: () => undefined }, { folder, listen: true, environment })
    const made = await furnish(started)
    await started.close()
    return { folder, made }
  }
  return async (t, environment = {}) => {
    const key = JSON.stringify(environment)
    const template = templates.get(key) ?? make(environment)
    templates.set(key, template)
    const { folder: original, made } = await template
    const folder = await mkdtemp(join(tmpdir(), 'hart-depot-test-'))
    t.teardown(async () => {
      await rm(folder, { recursive: true, force: true })
      await dropTestDatabase(folder)
    })
    await cp(original, folder, { recursive: true })
    await copyTestDatabase(original, folder)
    return { started: await startDepot(t, { folder, listen: true, environment }), made }
  }
}

/** Starts a depot in a temporary folder. The test's teardown closes and removes it. */
export async function startDepot(t: Teardown, options: Options = {}): Promise<TestDepot> {
  if (!hasTwoNodes || options.listen !== true) return startNode(t, options)
  const node = { ...options, hasThreads: true } // others join no nodes
  return withSecondNode(t, await startNode(t, node), node)
}

/** Adds a node to a depot on PostgreSQL, and a proxy before both. */
async function withSecondNode(t: Teardown, first: TestDepot, options: Options): Promise<TestDepot> {
  const { folder: _folder, environment, ...others } = options
  const second = await startNode(
    t,
    { ...others, environment: { ...environment, DEPOT_BLOBS: `fs:${join(first.folder, 'blobs')}` } },
    first.folder,
  )
  // Pages and forms take turns apart from what pages load, so that both nodes get some of each.
  const turns = { page: 0, other: 0 }
  const { url } = await startProxy(t, ({ headers }) => {
    const turn = (turns[headers.accept?.startsWith('text/html') === true ? 'page' : 'other'] += 1)
    return turn % 3 === 1 ? first.url : second.url
  })
  return {
    ...first,
    url,
    setClock(at) {
      first.setClock(at)
      second.setClock(at)
    },
    async close() {
      await second.close()
      await first.close()
    },
  }
}

/** Starts one node. It uses the database of the folder `beside`, or one of its own. */
async function startNode(t: Teardown, options: Options, beside?: string): Promise<TestDepot> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'hart-depot-test-')))
  const logged: Record<string, unknown>[] = []
  const log = openLogTo('debug', {
    write: (line: string) => logged.push(JSON.parse(line) as Record<string, unknown>),
  })
  let clock = START
  const now = () => (clock += 1)
  const database = await databaseSettings(beside ?? folder)
  const config = readConfig({
    DEPOT_DATA: folder,
    DEPOT_LISTEN: '127.0.0.1:0',
    DEPOT_ADMIN_TOKEN: ADMIN_TOKEN,
    ...database,
    ...options.environment,
  })
  if (config.database.engine === 'sqlite' && options.folder === undefined)
    await writeMigrated(config.database.file)
  const depot = await openDepot(config, {
    log,
    now,
    inProcess: options.hasThreads !== true,
    elapsed: options.elapsed ?? (() => 0),
    limits: { ...LIMITS, ...options.limits },
  })
  const workers = config.workers > 1 ? new Workers(depot, config.workers - 1) : undefined
  const app = await buildServer(depot, {
    ...(options.webhooks && { webhooks: options.webhooks }),
    ...(workers && { workers }),
    ...(!workers && { pollerSeed: 1 }), // so that estimates are the same in each run
  })
  await depot.joinNodes()
  const url = options.listen === true ? `http://127.0.0.1:${await listen(app, config, workers)}` : ''
  let isOpen = true
  const close = async () => {
    if (!isOpen) return
    isOpen = false
    await app.close()
    await depot.close()
  }
  t.teardown(async () => {
    await close()
    if (options.folder !== undefined) return
    await rm(folder, { recursive: true, force: true })
    await dropTestDatabase(folder)
  })
  return {
    depot,
    app,
    folder,
    url,
    logged,
    close,
    setClock: (at) => (clock = at),
    async account(name, scope) {
      const actor = { client: 'tests', door: 'cli' } as const
      const token = generateToken()
      await depot.writer.submit({ kind: 'addAccount', input: { name }, actor })
      await depot.writer.submit({
        kind: 'issueToken',
        input: { account: name, hash: hashToken(token), label: 'test', ...(scope && { scope }) },
        actor,
      })
      return token
    },
    async actor(account, scope) {
      const token = { account, hash: hashToken(generateToken()), label: 'test', ...(scope && { scope }) }
      const { tokenId } = await depot.writer.submit({
        kind: 'issueToken',
        input: token,
        actor: { client: 'tests', door: 'cli' },
      })
      const { id: accountId } = await getAccount(depot.db, account)
      return { accountId, tokenId, client: 'tests', door: 'api' }
    },
  }
}
