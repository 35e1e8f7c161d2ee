import { readFileSync } from 'node:fs'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'
import tap, { test } from 'tap'
import { parse } from 'yaml'
import { Authenticator } from '../../src/accounts/authenticate.ts'
import { keepingStatements } from '../../src/database/connection.ts'
import type { Schema } from '../../src/database/schema.ts'
import { buildServer } from '../../src/http/server.ts'
import { Writer } from '../../src/writer/writer.ts'
import { furnish, gatherTeam } from '../support/furnish.ts'
import { bearer } from '../support/origin.ts'
import { makeReleases, makeView, move, setVisibility } from '../support/release-rows.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'

// What the doors ask of the database, and commands, must cost what is read and written, not what the depot holds. So every statement that
// a tour of all doors makes is explained: none walks through a table that grows, and each index is walked along by one of them.

const started = await startDepot(tap)
const team = await gatherTeam(started)
const connection = new BetterSqlite3(started.depot.config.databaseFile)
tap.teardown(() => connection.close())
const statements = new Map<string, readonly unknown[]>()
const db = new Kysely<Schema>({
  dialect: new SqliteDialect({ database: keepingStatements(connection) }),
  log: ({ query }) => void (statements.has(query.sql) || statements.set(query.sql, query.parameters)),
})
const depot = { ...started.depot, db, writer: await Writer.open(db, started.depot.now), authenticator: new Authenticator(db, started.depot.now) }
const app = await buildServer(depot)
tap.teardown(() => app.close())
const toured = { ...started, depot, app }
const ACTOR = { client: 'tests', door: 'cli' } as const

// One of everything, and some of it twice.
const { invitation } = await furnish(toured, team, 'acme')
const APP = 'acme/app/1.0.0/20260101120000'
const releases = await makeReleases(toured, { name: APP, deps: ['core/lib/1.0/20260101120000'] }, 'acme/app/2.0.0/20260101120000', 'acme/app/2.0.0/20260101120000 for aarch64-linux', 'acme/secret/1.0.0/20260101120000', 'core/lib/1.0/20260101120000')
await setVisibility(toured, 'acme/secret/1.0.0/20260101120000', 'private')
await makeView(toured, 'prod', 'promoted')
await makeView(toured, 'wild', 'highest')
for (const view of ['acceptance', 'prod', 'wild', 'stable']) {
  await move(toured, 'promote', view, releases)
  await move(toured, 'demote', view, releases.slice(1, 3))
  await move(toured, 'promote', view, releases.slice(1, 2))
}
await depot.writer.submit({ kind: 'declareChannel', input: { origin: 'acme', name: 'canary', ownerId: 1 }, actor: ACTOR })

const VALUES: Readonly<Record<string, string>> = {
  origin: 'acme', name: 'app', version: '1.0.0', release: '20260101120000', view: 'prod', channel: 'stable', words: 'app', account: 'mate', id: String(invitation), revision: '1', type: 'docker', visibility: 'private', webhook: 'ci', plan: 'x', key: 'x',
}
const QUERIES = ['', '?target=x86_64-linux', '?range=0', '?range=-1', '?distinct=true', '?limit=2', '?origin=acme', '?origin=acme&name=app', '?at=1', '?view=prod', '?kind=promotion', '?from_date=2026-01-01&to_date=2027-01-01', '?after=1', '?with=acceptance', '?to=acceptance', '?from=acceptance']

async function tour(): Promise<void> {
  const document = parse(readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8')) as { paths: Record<string, Record<string, unknown>> }
  for (const [template, operations] of Object.entries(document.paths)) {
    if (operations['get'] === undefined) continue
    const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => VALUES[name] ?? name)
    for (const query of QUERIES) {
      for (const token of [null, ADMIN_TOKEN, team.tokenOf('member')]) await app.inject({ url: path + query, headers: token === null ? {} : bearer(token) })
    }
  }
}
await tour()

for (const [sql, parameters] of statements) {
  if (/^(begin|commit|rollback|savepoint|release)/i.test(sql)) continue
  const plan = connection.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters).map(({ detail }) => detail)
  const dear = plan.filter((d) => /^SCAN (?!CONST)|\(view_id=\?\)$/.test(d))
  if (dear.length > 0) console.error('DEAR', dear, '\n   ', sql.slice(0, 700))
}
console.error(statements.size, 'statements')
const indexes = connection.prepare<[], { name: string }>("select name from sqlite_schema where type='index'").all().map((r) => r.name)
const used = new Set([...statements].flatMap(([sql, parameters]) => /^(begin|commit|rollback|savepoint|release)/i.test(sql) ? [] : connection.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters).flatMap(({ detail }) => /INDEX (\w+)/.exec(detail)?.[1] ?? [])))
console.error('UNUSED', indexes.filter((i) => !used.has(i)))
test('x', async (t) => t.pass())
