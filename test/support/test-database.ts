import { Client } from 'pg'
import type { PostgresLocation } from '../../src/config/database.ts'
import { PostgresEngine } from '../../src/database/postgres/engine.ts'

// The databases of tests. With DEPOT_TEST_POSTGRES_URL, each depot has a database of its own on that server,
// a copy of one that was migrated once; scripts/test-postgres.ts starts such a server. Otherwise depots have
// SQLite files in their folders.

const SERVER = process.env['DEPOT_TEST_POSTGRES_URL']
/** Any key will do. On PostgreSQL, the depot never makes one. */
const SECRET_KEY = '5'.repeat(64)

export const isOnPostgres = SERVER !== undefined && SERVER !== ''

/** The databases of this process, by the folders of their depots. */
const databases = new Map<string, string>()
let made = 0

/** Returns the settings for a depot in a folder. The first call makes its database. */
export async function databaseSettings(
  folder: string,
  template = templateName(),
): Promise<Record<string, string>> {
  if (!isOnPostgres) return {}
  if (!databases.has(folder)) {
    const name = `test_${process.pid}_${(made += 1)}`
    databases.set(folder, name)
    await onServer(`create database ${name} template ${template}`)
  }
  return { DEPOT_DATABASE_URL: urlOf(databases.get(folder) ?? ''), DEPOT_SECRET_KEY: SECRET_KEY }
}

/** Returns the settings for a folder whose depot this process has started, and none for other folders. */
export async function knownDatabaseSettings(folder: string | undefined): Promise<Record<string, string>> {
  return folder !== undefined && databases.has(folder) ? databaseSettings(folder) : {}
}

/** Copies the database of a closed depot to that of a folder without one. */
export async function copyTestDatabase(from: string, to: string): Promise<void> {
  const template = databases.get(from)
  if (template !== undefined) await databaseSettings(to, template)
}

/** Removes the database of a folder. */
export async function dropTestDatabase(folder: string): Promise<void> {
  const name = databases.get(folder)
  databases.delete(folder)
  if (name !== undefined) await onServer(`drop database if exists ${name} with (force)`)
}

/** Makes a database without tables, which goes when the test ends. */
export async function emptyDatabase(t: {
  teardown(fn: () => Promise<void>): unknown
}): Promise<PostgresLocation> {
  const name = `empty_${process.pid}_${(made += 1)}`
  await onServer(`create database ${name}`)
  t.teardown(async () => onServer(`drop database if exists ${name} with (force)`))
  return { engine: 'postgres', url: urlOf(name), urlFile: undefined, listenUrl: undefined }
}

/** Migrates the database that the others are copies of, once for all processes. */
export async function makeTemplate(): Promise<void> {
  await onServer(`create database ${templateName()}`)
  await new PostgresEngine({
    engine: 'postgres',
    url: urlOf(templateName()),
    urlFile: undefined,
    listenUrl: undefined,
  }).migrate(0)
}

/** Removes that database. */
export async function dropTemplate(): Promise<void> {
  await onServer(`drop database if exists ${templateName()} with (force)`)
}

function templateName(): string {
  return process.env['DEPOT_TEST_TEMPLATE'] ?? 'hart_depot_template'
}

function urlOf(name: string): string {
  const url = new URL(SERVER ?? '')
  url.pathname = `/${name}`
  return url.href
}

/** The driver has these two, its types do not. */
type Connected = Client & { ref(): void; unref(): void }

let connected: Promise<Connected> | undefined
let last: Promise<unknown> = Promise.resolve()

/** Runs a statement on the server, after those before it. */
async function onServer(sql: string): Promise<void> {
  const before = last
  const { promise, resolve } = Promise.withResolvers<void>()
  last = promise
  await before
  try {
    await query(sql)
  } finally {
    resolve()
  }
}

/** Between statements, the connection keeps no process alive. */
async function query(sql: string): Promise<void> {
  const client = await (connected ??= connect())
  client.ref()
  try {
    await client.query(sql)
  } finally {
    client.unref()
  }
}

async function connect(): Promise<Connected> {
  const client = new Client({ connectionString: SERVER }) as Connected
  client.on('error', () => undefined) // the server may stop first
  await client.connect()
  return client
}
