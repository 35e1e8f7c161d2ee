import BetterSqlite3 from 'better-sqlite3'
import { Kysely } from 'kysely'
import tap, { test } from 'tap'
import { sqliteFileOf } from '../../src/config/database.ts'
import { UNRESTRICTED_AUDIENCE, PUBLIC_AUDIENCE } from '../../src/access/access.ts'
import { StablePlanDialect } from '../../src/database/sqlite/compiler.ts'
import type { Schema } from '../../src/database/schema.ts'
import { listMembersAt, listPointersAt } from '../../src/revisions/content-store.ts'
import { getRevisionAt } from '../../src/revisions/revision-store.ts'
import { listDifferences } from '../../src/revisions/diff-store.ts'
import { getRevision, listRevisions } from '../../src/revisions/history-store.ts'
import { listLatestSpans, listMemberships } from '../../src/revisions/membership-store.ts'
import { getView } from '../../src/revisions/view-store.ts'
import { seeded } from '../support/random.ts'
import { makeReleases, makeView, move, setVisibility } from '../support/release-rows.ts'
import type { ReleaseRow } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'

// The cost of reading the past depends on the page, not on the length of the history: no scan, and no sort of
// more than the page.

const started = await startDepot(tap)
const releases = await makeReleases(started, 'acme/app/1.0.0/20260101000000', 'acme/web/1.0.0/20260101000000')
await move(started, 'promote', 'stable', releases)
await move(started, 'demote', 'stable', releases.slice(1))
await move(started, 'promote', 'stable', await makeReleases(started, 'acme/secret/1.0.0/20260101000000'))
await setVisibility(started, 'acme/secret/1.0.0/20260101000000', 'private')

const connection = new BetterSqlite3(sqliteFileOf(started.depot.config), { readonly: true })
tap.teardown(() => connection.close())
const statements: { sql: string; parameters: readonly unknown[] }[] = []
const db = new Kysely<Schema>({
  dialect: new StablePlanDialect(connection),
  log: ({ query }) => {
    statements.push({ sql: query.sql, parameters: query.parameters })
  },
})

const reads: Record<string, () => Promise<unknown>> = {
  'what latest answered at a revision': async () =>
    listPointersAt(db, await getView(db, 'stable'), 1, { limit: 10 }, UNRESTRICTED_AUDIENCE),
  'what latest answered to the public, on a later page': async () =>
    listPointersAt(
      db,
      await getView(db, 'stable'),
      1,
      { limit: 10, after: ['acme/app', 'x86_64-linux'], origin: 'acme' },
      PUBLIC_AUDIENCE,
    ),
  'the members at a revision': async () =>
    listMembersAt(db, await getView(db, 'stable'), 1, { limit: 10 }, PUBLIC_AUDIENCE),
  'the members on a later page': async () =>
    listMembersAt(
      db,
      await getView(db, 'stable'),
      1,
      { limit: 10, after: ['acme/app', 'x86_64-linux', 1] },
      UNRESTRICTED_AUDIENCE,
    ),
  'a page of the history': async () =>
    listRevisions(db, await getView(db, 'stable'), { before: 3, limit: 10 }, PUBLIC_AUDIENCE),
  'one revision': async () => getRevision(db, await getView(db, 'stable'), 1, PUBLIC_AUDIENCE),
  'what changed between two revisions': async () =>
    listDifferences(
      db,
      {
        from: { view: await getView(db, 'stable'), revision: 1 },
        to: { view: await getView(db, 'stable'), revision: 2 },
      },
      { limit: 10, after: ['acme/app', 'x86_64-linux'] },
      PUBLIC_AUDIENCE,
    ),
  'what differs in two views': async () =>
    listDifferences(
      db,
      {
        from: { view: await getView(db, 'stable'), revision: 2 },
        to: { view: await getView(db, 'unstable'), revision: 2 },
      },
      { limit: 10, origin: 'acme' },
      PUBLIC_AUDIENCE,
    ),
  'who held a pointer': async () =>
    listLatestSpans(
      db,
      await getView(db, 'stable'),
      { package: 'acme/app', target: 'x86_64-linux' },
      { before: 9, limit: 10 },
      PUBLIC_AUDIENCE,
    ),
  'who was the highest that the public may see': async () =>
    listLatestSpans(
      db,
      await getView(db, 'stable'),
      { package: 'acme/secret', target: 'x86_64-linux' },
      { before: 9, limit: 10 },
      PUBLIC_AUDIENCE,
    ),
  'where a release is and was': async () => listMemberships(db, 1, { after: [0, 1, 1], limit: 10 }),
  'the revision at a time': async () => getRevisionAt(db, await getView(db, 'stable'), { time: Date.now() }),
}

for (const [name, read] of Object.entries(reads)) {
  test(`${name} is read by index`, async (t) => {
    statements.length = 0
    await read()
    t.ok(statements.length > 0)
    for (const { sql, parameters } of statements) {
      const plan = connection
        .prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
        .all(...parameters)
      const dear = plan
        .map(({ detail }) => detail)
        .filter((detail) =>
          /^SCAN (?!CONSTANT|json_each)|TEMP B-TREE|^SEARCH (members|pointers) .*\(view_id=\?\)$/.test(
            detail,
          ),
        )
      t.strictSame(dear, [], plan.map(({ detail }) => detail).join('\n'))
    }
  })
}

test('a page of the history shows each revision like a single read, and does not read private lines for each', async (t) => {
  const versions = Array.from({ length: 12 }, (_, number) => `acme/veiled/1.${number}.0/20260101000000`)
  const made = await makeReleases(started, ...versions)
  await makeView(started, 'wild', 'highest')
  const random = seeded(7)
  const inside = new Set<ReleaseRow>()
  for (let step = 0; step < 60; step += 1) {
    const release = made[Math.floor(random() * made.length)]
    if (release === undefined) continue
    await move(started, inside.has(release) ? 'demote' : 'promote', 'wild', [release])
    if (!inside.delete(release)) inside.add(release)
  }
  for (const ident of versions.filter((_, number) => number % 3 === 2))
    await setVisibility(started, ident, 'private')

  const view = await getView(db, 'wild')
  statements.length = 0
  const page = await listRevisions(db, view, { before: view.revision + 1, limit: 100 }, PUBLIC_AUDIENCE)
  t.equal(page.length, view.revision)
  t.ok(statements.length < page.length, `${statements.length} statements for ${page.length} revisions`)
  for (const revision of page)
    t.strictSame(revision, await getRevision(db, view, revision.revision, PUBLIC_AUDIENCE))
  const part = await listRevisions(db, view, { before: 41, limit: 10 }, PUBLIC_AUDIENCE)
  t.strictSame(part, page.slice(-40, -30), 'a page in the middle')
})

test('a revision shows the former latest even if it joined in an earlier one', async (t) => {
  const [first, second, secret] = await makeReleases(
    started,
    ...['1', '2', '3'].map((version) => `acme/tale/${version}/20260101000000`),
  )
  if (first === undefined || second === undefined || secret === undefined) throw new Error('made too few')
  await setVisibility(started, secret.ident, 'private')
  await makeView(started, 'tame', 'promoted')
  for (const release of [first, second]) await move(started, 'promote', 'tame', [release])
  const view = await getView(db, 'tame')
  const pointers = [{ package: 'acme/tale', target: 'x86_64-linux', from: first.ident, to: second.ident }]
  t.match(await getRevision(db, view, 2, PUBLIC_AUDIENCE), { pointers })
  t.match(await listRevisions(db, view, { before: 3, limit: 1 }, PUBLIC_AUDIENCE), [{ pointers }])
})

test('a release published again after a deletion is another release, which may be private', async (t) => {
  const ident = 'acme/phoenix/1.0.0/20260101000000'
  await makeView(started, 'again', 'promoted')
  const once = await makeReleases(started, ident)
  await move(started, 'promote', 'again', once)
  await move(started, 'demote', 'again', once)
  await started.depot.writer.submit({
    kind: 'deleteRelease',
    input: { ident, target: 'x86_64-linux' },
    actor: { client: 'tests', door: 'cli' },
  })
  const anew = await makeReleases(started, ident)
  await setVisibility(started, ident, 'private')
  await move(started, 'promote', 'again', anew)
  const view = await getView(db, 'again')
  const told = await listRevisions(db, view, { before: 4, limit: 10 }, PUBLIC_AUDIENCE)
  t.strictSame(
    told.map(({ joined, left }) => joined.length + left.length),
    [0, 1, 1],
    'newest first',
  )
  t.strictSame(told[0]?.pointers, [])
  for (const revision of told)
    t.strictSame(revision, await getRevision(db, view, revision.revision, PUBLIC_AUDIENCE))
})
