import BetterSqlite3 from 'better-sqlite3'
import { Kysely } from 'kysely'
import type { SqliteDatabase } from 'kysely'
import { sqliteFileOf } from '../../src/config/database.ts'
import { findSession, listTokens } from '../../src/accounts/account-store.ts'
import { Authenticator } from '../../src/accounts/authenticate.ts'
import { Answers } from '../../src/answers/answers.ts'
import { withStatementCache } from '../../src/database/sqlite/connection.ts'
import { StablePlanDialect } from '../../src/database/sqlite/compiler.ts'
import type { Schema } from '../../src/database/schema.ts'
import { buildServer } from '../../src/http/server.ts'
import {
  findBlob,
  listBlobs,
  listDamaged,
  listStored,
  listUnneeded,
  readScrub,
} from '../../src/blobs/blob-store.ts'
import { isBlobReferenced } from '../../src/blobs/blob-store.ts'
import { commandTable } from '../../src/commands/command-table.ts'
import { Writer } from '../../src/writer/writer.ts'
import { createFullOrigin, createTeam } from '../support/storage/full-origin.ts'
import { bearer } from '../support/origin.ts'
import { makeReleases, makeView, move, setVisibility } from '../support/release-rows.ts'
import { isKnownIssuer } from '../../src/signin/exchange-rule-store.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'
import { renderPackage, renderPackageBriefly } from '../../src/http/habitat/packages/shapes.ts'

import tap, { test } from 'tap'
import { OPENAPI } from '../support/openapi.ts'

// What doors and commands ask of the database must cost what is read and written, not what the depot holds,
// nor what ever happened. So every statement that a tour of all doors makes is explained: none walks through
// a table that grows, or all that a view ever held, and each index is the way of one of them.

const started = await startDepot(tap, { environment: { DEPOT_WEBHOOK_NETWORKS: '127.0.0.0/8' } })
const team = await createTeam(started)
const connection = new BetterSqlite3(sqliteFileOf(started.depot.config))
tap.teardown(() => connection.close())
const statements = new Map<string, readonly unknown[]>()
const db = new Kysely<Schema>({ dialect: new StablePlanDialect(noting(withStatementCache(connection))) })
const depot = {
  ...started.depot,
  db,
  writer: await Writer.open(db, commandTable, { now: started.depot.now }),
  authenticator: new Authenticator(db, started.depot.now),
}
const app = await buildServer(depot)
statements.clear() // the start reads what there is
tap.teardown(() => app.close())
const toured = { ...started, depot, app }
const ACTOR = { client: 'tests', door: 'cli' } as const

const APP = 'acme/app/1.0.0/20260101120000'
const HIDDEN = 'acme/secret/1.0.0/20260101120000'

async function makeOneOfEverything(): Promise<void> {
  await createFullOrigin(toured, team, 'acme')
  const releases = await makeReleases(
    toured,
    { name: APP, deps: ['core/lib/1.0/20260101120000'] },
    'acme/app/2.0.0/20260101120000',
    'acme/app/2.0.0/20260101120000 for aarch64-linux',
    HIDDEN,
    'core/lib/1.0/20260101120000',
  )
  await setVisibility(toured, HIDDEN, 'private')
  await makeView(toured, 'prod', 'promoted')
  await makeView(toured, 'wild', 'highest')
  for (const view of ['acceptance', 'prod', 'wild', 'stable']) {
    await move(toured, 'promote', view, releases)
    await move(toured, 'demote', view, releases.slice(1, 3))
    await move(toured, 'promote', view, releases.slice(1, 2))
  }
  await depot.writer.submit({
    kind: 'declareChannel',
    input: { origin: 'acme', name: 'canary', ownerId: 1 },
    actor: ACTOR,
  })
}

/** In the URLs of the tour. */
const VALUES: Readonly<Record<string, string>> = {
  origin: 'acme',
  name: 'app',
  version: '1.0.0',
  release: '20260101120000',
  view: 'prod',
  channel: 'stable',
  words: 'app',
  account: 'mate',
  revision: '1',
  type: 'docker',
  webhook: 'ci',
}
const QUERIES = [
  '',
  'target=x86_64-linux',
  'range=0',
  'range=-1',
  'distinct=true',
  'limit=2',
  'origin=acme',
  'origin=acme&name=app',
  'at=1',
  'at=2026-06-01T00:00:00Z',
  'view=prod',
  'kind=promotion',
  'from_date=2026-01-01&to_date=2027-01-01',
  'after=1',
  'state=all',
  'state=failed',
  'project=acme/app',
  'change=c1',
  'with=acceptance',
  'to=acceptance',
  'from=acceptance',
  'before=2026-02',
  'q=app',
  'q=app version:1.* signed-by:acme-20260101000000 target:x86_64-linux in:prod',
  'q=name:app version:1.0.0 signed-by:acme-*',
]

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
}

/** Each GET of each door, with each parameter that it takes, by each kind of caller. */
async function readEverywhere(): Promise<void> {
  const document = OPENAPI as {
    paths: Record<string, Record<string, Operation>>
  }
  for (const [template, { get }] of Object.entries(document.paths)) {
    if (get === undefined) continue
    const takes = new Set(get.parameters?.filter((each) => each.in === 'query').map(({ name }) => name))
    const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => VALUES[name] ?? name)
    for (const query of QUERIES) {
      if ([...new URLSearchParams(query).keys()].some((name) => !takes.has(name))) continue
      for (const token of [null, ADMIN_TOKEN, team.tokenOf('member')])
        await app.inject({ url: `${path}?${query}`, headers: token === null ? {} : bearer(token) })
    }
  }
}

async function call(
  method: 'POST' | 'PUT' | 'DELETE',
  url: string,
  expected: number,
  payload?: object,
  more: Record<string, string> = {},
): Promise<{ plan?: string; id?: string }> {
  const answer = await app.inject({
    method,
    url,
    headers: { ...bearer(), ...more },
    ...(payload && { payload }),
  })
  if (answer.statusCode !== expected) throw new Error(`${method} ${url}: ${answer.statusCode} ${answer.body}`)
  return answer.body === '' ? {} : (JSON.parse(answer.body) as { plan?: string; id?: string })
}

async function changeEverything(): Promise<void> {
  const set = { releases: [{ ident: APP, target: 'x86_64-linux' }] }
  await call('POST', '/api/v1/views/prod/promotions', 200, set, { 'idempotency-key': 'once' })
  await call('POST', '/api/v1/views/prod/rollbacks', 200, { to: 1 })
  await call('PUT', '/api/v1/views/wild/gates', 200, { approval: { approvers: ['mate'] } })
  const { plan = '' } = await call('POST', '/api/v1/views/acceptance/plans', 201, set)
  await call('POST', `/api/v1/plans/${plan}/apply`, 200)
  const { plan: proposal = '' } = await call('POST', '/api/v1/views/wild/proposals', 201, {
    releases: [{ ident: 'acme/app/2.0.0/20260101120000', target: 'aarch64-linux' }],
    reason: 'because',
  })
  await call('POST', '/api/v1/views/wild/previews', 201, { name: 'wild.soon', plan: proposal })
  await call('POST', `/api/v1/plans/${proposal}/reject`, 200)
  await call('POST', '/api/v1/webhooks', 201, { name: 'ci', url: 'http://127.0.0.1:1/' })
  await call('DELETE', '/v1/depot/channels/acme/canary', 200)
  const recorded = { project: 'acme/app', change: 'c1', commit: 'c1' }
  const { id = '' } = await call('POST', '/api/v1/changes', 201, recorded)
  const phase = { phase: 'smoke', view: 'prod' }
  await call('POST', `/api/v1/changes/${id}/releases`, 201, { release: APP })
  await call('POST', `/api/v1/changes/${id}/releases`, 201, {
    release: 'acme/app/2.0.0/20260101120000',
    rebuild: true,
  })
  await call('POST', `/api/v1/changes/${id}/phases`, 200, { ...phase, status: 'passed' })
  await call('POST', `/api/v1/changes/${id}/lease`, 200, { ...phase, holder: 'job' })
}

async function signInEverywhere(): Promise<void> {
  const { writer } = depot
  const [issuer, subject] = ['https://gitlab.com', 'job']
  const rule = {
    name: 'job',
    provider: 'gitlab',
    issuer,
    claims: { project_id: ['1'] },
    account: 'mate',
    scope: { actions: ['read'] },
    lifetimeMs: 60_000,
  } as const
  await writer.submit({ kind: 'setExchangeRule', input: rule, actor: ACTOR })
  await isKnownIssuer(db, issuer)
  const idToken = { issuer, subject, claims: { project_id: '1' }, hash: 'of the job', expiresAt: 0 }
  await writer.submit({ kind: 'exchangeToken', input: { idToken, hash: 'of its token' }, actor: ACTOR })
  await writer.submit({
    kind: 'setGroupRole',
    input: { origin: 'acme', group: 'ops', role: 'member' },
    actor: ACTOR,
  })
  await writer.submit({ kind: 'bindIdentity', input: { account: 'mate', issuer, subject }, actor: ACTOR })
  const person = { issuer, subject, name: undefined, groups: ['ops'] }
  await writer.submit({
    kind: 'signIn',
    input: { person, hash: 'of a person', makesAccounts: false },
    actor: ACTOR,
  })
  await findSession(db, { hash: 'of a person' })
  await writer.submit({ kind: 'unbindIdentity', input: { account: 'mate', issuer, subject }, actor: ACTOR })
  await writer.submit({
    kind: 'setGroupRole',
    input: { origin: 'acme', group: 'ops', role: null },
    actor: ACTOR,
  })
  await writer.submit({ kind: 'removeExchangeRule', input: { name: 'job' }, actor: ACTOR })
}

await makeOneOfEverything()
await readEverywhere()
await signInEverywhere()
await changeEverything()
await readEverywhere()
await move(toured, 'demote', 'stable', [{ ident: HIDDEN, target: 'x86_64-linux' }])
for (const view of ['acceptance', 'prod', 'wild'])
  await move(toured, 'demote', view, [{ ident: HIDDEN, target: 'x86_64-linux' }]).catch(() => undefined)
await depot.writer.submit({
  kind: 'deleteRelease',
  input: { ident: HIDDEN, target: 'x86_64-linux' },
  actor: ACTOR,
})
await depot.writer.submit({ kind: 'removeWebhook', input: { webhook: 'ci' }, actor: ACTOR })
await depot.writer.submit({
  kind: 'retireReleases',
  input: { releases: [], quarantineMs: 0, isDaily: true },
  actor: ACTOR,
})
await listUnneeded(db, { after: undefined, limit: 1 })
await listBlobs(db, { after: '', limit: 1 })
await listStored(db, ['none'])
await listDamaged(db, 1)
await findBlob(db, 'none')
await readScrub(db)
await isBlobReferenced(db, 'none')
await listTokens(db, { account: 'mate' })

const served = new Set(statements.keys())
// As the start does.
await Answers.open(db, { whole: renderPackage, brief: renderPackageBriefly })

const plans = new Map(
  [...statements].map(([sql, parameters]) => [
    sql,
    connection
      .prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
      .all(...parameters)
      .map(({ detail }) => detail),
  ]),
)

/** There are few of these: only operators make them, or the oldest go. Rows of a statement are its own. */
const SMALL =
  /^SCAN (CONSTANT ROW|json_each VIRTUAL TABLE INDEX 1:|\d+-ROW VALUES CLAUSE|needed|dependents|ranked|counted|depot|targets|\(subquery-\d+\)|plans USING INDEX plans_waiting|origins USING INDEX origins_with_quotas|(views|webhooks|exchange_rules|depot_keys|trusted_keys|pins|registered_lockfiles|retention_rules|refreshes|denials)( .*)?)$/
/** Looked at only where a row that others refer to goes, and none does. */
const ofForeignKeys = (sql: string) => /^insert into "(packages|releases|views)"/.test(sql)
/** All that is, was, or happened in a view. */
const ALL_OF_A_VIEW = /^SEARCH (members|pointers|ledger) USING .*\(view_id=\?( AND from_revision<\?)?\)$/
/** What stands in a view now is counted. */
const COUNTED = /^SEARCH pointers USING INDEX pointers_current \(view_id=\?\)$/
/** Each release of a package, one row after another, where an index has all that is asked. */
function note(sql: string, parameters: readonly unknown[]): void {
  if (/^(begin|commit|rollback|savepoint|release) ?/i.test(sql)) return
  if (!statements.has(sql)) statements.set(sql, parameters)
}

/** Notes the first parameters of each statement that runs. */
function noting(database: SqliteDatabase): SqliteDatabase {
  return {
    prepare(sql) {
      const statement = database.prepare(sql)
      return {
        reader: statement.reader,
        all(parameters) {
          note(sql, parameters)
          return statement.all(parameters)
        },
        run(parameters) {
          note(sql, parameters)
          return statement.run(parameters)
        },
        iterate: (parameters) => statement.iterate(parameters),
      }
    },
    close: () => database.close(),
  }
}

const EACH_RELEASE = /^SEARCH releases .*INDEX releases_by_order \(package_id=\?( AND target=\?)?\)$/
/** Every row of a package's past, where only the present is asked for. */
const ALL_OF_A_LINE = /^SEARCH (members|pointers) USING PRIMARY KEY \(view_id=\? AND package_id=\?\)$/

function dearIn(sql: string, plan: readonly string[]): string[] {
  const isOfThePast = /"to_revision" >|"from_revision" </.test(sql) || sql.includes('"from_revision" <=')
  return plan.filter(
    (step) =>
      (step.startsWith('SCAN ') &&
        !SMALL.test(step) &&
        !ofForeignKeys(sql) &&
        !sql.endsWith('from "ledger" order by "sequence" desc limit +?')) ||
      (ALL_OF_A_VIEW.test(step) &&
        !COUNTED.test(step) &&
        !ofForeignKeys(sql) &&
        !sql.endsWith('"members"."to_revision" is null limit +?')) || // finds whether there are any
      (EACH_RELEASE.test(step) && !ofForeignKeys(sql)) ||
      (ALL_OF_A_LINE.test(step) && sql.includes('"to_revision" is null') && !isOfThePast),
  )
}

test('no statement scans a table that grows', async (t) => {
  t.ok(plans.size > 250, `${plans.size} statements`)
  for (const [sql, plan] of plans)
    if (served.has(sql)) t.strictSame(dearIn(sql, plan), [], `${sql}\n${plan.join('\n')}`)
})

/** Those that are rules first, and ways only where somebody happens to ask. */
const RULES = new Map([
  ['tokens_of_profiles', 'an account has one token of its profile page'],
  ['page_sessions_by_expiry', 'sessions that have expired are deleted when a browser signs in'],
])

test('no statement is prepared again for each value', async (t) => {
  for (const sql of statements.keys()) t.notMatch(sql, /[^+]\?/)
})

test('each index is used by a statement', async (t) => {
  const indexes = connection
    .prepare<[], { name: string }>("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
    .all()
  const used = new Set([...plans.values()].flat().flatMap((step) => / INDEX (\w+)/.exec(step)?.[1] ?? []))
  t.strictSame(
    indexes.map(({ name }) => name).filter((name) => !used.has(name) && !RULES.has(name)),
    [],
  )
})
