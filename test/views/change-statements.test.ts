import BetterSqlite3 from 'better-sqlite3'
import { Kysely } from 'kysely'
import tap, { test } from 'tap'
import { sqliteFileOf } from '../../src/config/database.ts'
import { UNRESTRICTED_AUDIENCE } from '../../src/access/access.ts'
import { ensureChannels, listOriginsWithChannel } from '../../src/channels/channel-store.ts'
import { StablePlanDialect } from '../../src/database/sqlite/compiler.ts'
import type { Schema } from '../../src/database/schema.ts'
import { listDependentMembers } from '../../src/revisions/dependency-store.ts'
import { evaluate } from '../../src/revisions/evaluate.ts'
import { readStandings } from '../../src/changes/standing-store.ts'
import { readMetSince } from '../../src/revisions/gate-store.ts'
import { closeMemberships, openMemberships } from '../../src/revisions/member-store.ts'
import { movePointers } from '../../src/revisions/pointer-store.ts'
import { resolve } from '../../src/revisions/resolve.ts'
import { getView, listPreviews } from '../../src/revisions/view-store.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { makeReleases, makeView, move } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'

// The cost of a change depends on what it moves, not on the size of the view or the depot: it scans no table
// and no view, and the number of its statements does not grow with the number of releases.

const STAMP = '20260101000000'
const started = await startDepot(tap)
const names = Array.from({ length: 20 }, (_, index) => `acme/p${index}`)
const libs = await makeReleases(started, `core/lib/1.0/${STAMP}`)
const [first, second] = [
  await makeReleases(
    started,
    ...names.map((name) => ({ name: `${name}/1.0/${STAMP}`, deps: [`core/lib/1.0/${STAMP}`] })),
  ),
  await makeReleases(
    started,
    ...names.map((name) => ({ name: `${name}/2.0/${STAMP}`, deps: [`core/lib/1.0/${STAMP}`] })),
  ),
]
await makeView(started, 'ruled', 'promoted')
for (const view of ['acceptance', 'ruled'])
  for (const set of [libs, first, second]) await move(started, 'promote', view, set)
await started.depot.writer.submit({
  kind: 'setGates',
  input: {
    view: 'ruled',
    gates: {
      requires: [
        { view: 'acceptance', as: 'member', soakMs: 1 },
        { view: 'acceptance', as: 'current' },
      ],
      closure: 'view',
      downgrade: 'refuse',
    },
  },
  actor: { client: 'tests', door: 'cli' },
})

const connection = new BetterSqlite3(sqliteFileOf(started.depot.config))
tap.teardown(() => connection.close())
const statements: { sql: string; parameters: readonly unknown[] }[] = []
const db = new Kysely<Schema>({
  dialect: new StablePlanDialect(connection),
  log: ({ query }) => {
    statements.push({ sql: query.sql, parameters: query.parameters })
  },
})

const view = await getView(db, 'ruled')
const clock = { now: started.depot.now(), setBackAt: undefined }
const delta = async (count: number) =>
  (
    await resolve(db, view, {
      view: 'ruled',
      act: 'promote',
      audience: UNRESTRICTED_AUDIENCE,
      withDeps: true,
      source: { releases: first.slice(0, count) },
    })
  ).delta
const changes: Record<string, (count: number) => Promise<unknown>> = {
  'a promotion with what it needs, under every rule': async (count) =>
    evaluate(db, view, await delta(count), {
      act: 'promote',
      clock,
      caller: 'operator',
      audience: UNRESTRICTED_AUDIENCE,
      findsMissing: true,
    }),
  'a demotion, of which other members become latest': async (count) => {
    const { delta: demoted } = await resolve(db, view, {
      view: 'ruled',
      act: 'demote',
      audience: UNRESTRICTED_AUDIENCE,
      source: { releases: second.slice(0, count) },
    })
    return evaluate(db, { ...view, gates: {} }, demoted, {
      act: 'demote',
      clock,
      caller: 'operator',
      audience: UNRESTRICTED_AUDIENCE,
    })
  },
  'the channels of a promotion': async (count) => {
    const { joining } = await delta(count)
    const originIds = joining.map(({ release }) => release.originId)
    connection.exec('BEGIN')
    await ensureChannels(db, { originIds, viewId: view.id, ownerId: undefined, at: 9 })
    await listOriginsWithChannel(db, view.id, originIds)
    connection.exec('ROLLBACK')
  },
  'a set from another view': async () =>
    resolve(db, view, {
      view: 'ruled',
      act: 'promote',
      audience: UNRESTRICTED_AUDIENCE,
      isExact: true,
      source: { from: 'acceptance' },
    }),
  'a rollback': async () =>
    resolve(db, view, {
      view: 'ruled',
      act: 'rollback',
      to: { revision: 1 },
      audience: UNRESTRICTED_AUDIENCE,
    }),
  'a revert': async () =>
    resolve(db, view, { view: 'ruled', act: 'revert', revision: 3, audience: UNRESTRICTED_AUDIENCE }),
  'the writing of a revision': async (count) => {
    const { joining } = await delta(count)
    const releases = joining.map(({ release }) => release)
    connection.exec('BEGIN')
    await closeMemberships(db, view.id, releases, 9)
    await openMemberships(db, view.id, releases, { revision: 9, rule: 'promoted' })
    await movePointers(
      db,
      view.id,
      releases.map((release) => ({ from: release, to: release })),
      9,
    )
    connection.exec('ROLLBACK')
  },
  'a look back for how long releases have soaked': async (count) =>
    readMetSince(
      db,
      { view: 'acceptance', as: 'member', soakMs: 1e12 },
      (await delta(count)).joining.map(({ release }) => release),
      clock,
    ),
  'the look for phases': async (count) =>
    readStandings(
      db,
      { view: 'acceptance', phases: ['smoke', 'unit'] },
      (await delta(count)).joining.map(({ release }) => release),
    ),
  'the look for previews': async () => {
    await listPreviews(db, { baseId: view.id })
    await listPreviews(db, { planId: 1 })
  },
}

for (const [name, change] of Object.entries(changes)) {
  test(`${name} reads by index and in sets`, async (t) => {
    statements.length = 0
    await change(1)
    const few = statements.length
    for (const { sql, parameters } of statements) {
      const plan = connection
        .prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
        .all(...parameters)
      t.strictSame(
        plan
          .map(({ detail }) => detail)
          .filter((detail) =>
            /^SCAN (?!CONSTANT|json_each|later|ranked|\(subquery)|^SEARCH (members|pointers) .*\(view_id=\?\)$/.test(
              detail,
            ),
          ),
        [],
        `${sql}\n${plan.map(({ detail }) => detail).join('\n')}`,
      )
    }
    statements.length = 0
    await change(names.length)
    t.equal(statements.length, few, `${few} statements for one release, and for ${names.length}`)
  })
}

test('dependents are read for a few releases at a time, because every package may need each of them', async (t) => {
  const { delta: demoted } = await resolve(db, view, {
    view: 'ruled',
    act: 'demote',
    audience: UNRESTRICTED_AUDIENCE,
    source: { releases: [...libs, ...second] },
  })
  statements.length = 0
  const found = await listDependentMembers(db, view.id, demoted.leaving, UNRESTRICTED_AUDIENCE)
  t.strictSame(
    [...found.values()].map((dependents) => dependents.map(({ release }) => formatIdent(release.ident))),
    [first.map(({ ident }) => ident).toSorted()],
    'without those that leave, too',
  )
  t.equal(statements.length, 3, '21 releases')
})
