import BetterSqlite3 from 'better-sqlite3'
import { Kysely } from 'kysely'
import tap, { test } from 'tap'
import { sqliteFileOf } from '../../src/config/database.ts'
import { UNRESTRICTED_AUDIENCE, PUBLIC_AUDIENCE } from '../../src/access/access.ts'
import type { Audience } from '../../src/access/access.ts'
import { StablePlanDialect } from '../../src/database/sqlite/compiler.ts'
import type { Schema } from '../../src/database/schema.ts'
import { listEvents } from '../../src/events/event-store.ts'
import { hasDependents, listDependents } from '../../src/releases/dependents-store.ts'
import { listIdents, listIdentsInView, listPackages, listVersions } from '../../src/releases/list-store.ts'
import { listUnneeded } from '../../src/blobs/blob-store.ts'
import { listNotPublic } from '../../src/releases/release-store.ts'
import { parseSearch } from '../../src/search/package-search.ts'
import { searchIdents, searchPackages } from '../../src/search/search-store.ts'
import { makePackageName } from '../../src/package/ident.ts'
import { makeReleases, move, setVisibility } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'

// The cost of a list depends on its page: no table is scanned, and rows in the order of an index are not
// sorted.

const started = await startDepot(tap)
const releases = await makeReleases(started, 'acme/app/1.0.0/20260101000000', 'acme/web/1.0.0/20260101000000')
await move(started, 'promote', 'stable', releases.slice(1))
await setVisibility(started, 'acme/web/1.0.0/20260101000000', 'private')

const connection = new BetterSqlite3(sqliteFileOf(started.depot.config), { readonly: true })
tap.teardown(() => connection.close())
const statements: { sql: string; parameters: readonly unknown[] }[] = []
const db = new Kysely<Schema>({
  dialect: new StablePlanDialect(connection),
  log: ({ query }) => {
    statements.push({ sql: query.sql, parameters: query.parameters })
  },
})

const ACME: Audience = { seesAll: false, origins: ['acme'] }
const SLICE = { offset: 0, limit: 50 }
const NAME = makePackageName({ origin: 'acme', name: 'app' })
const WORDS = parseSearch('acme/ap') ?? { whole: [], beginning: 'ap' }
const viewId = (
  await db.selectFrom('views').select('id').where('name', '=', 'stable').executeTakeFirstOrThrow()
).id

/**
 * `sorts` if no index has the requested order. Then only the matching rows, or the releases of the page's
 * packages, are sorted.
 */
const reads: Readonly<Record<string, { read: () => Promise<unknown>; sorts?: true }>> = {
  'the idents of an origin, for everyone': {
    read: async () => listIdents(db, ['acme'], SLICE, PUBLIC_AUDIENCE),
    sorts: true,
  },
  'the idents of a package, for members': {
    read: async () => listIdents(db, ['acme', 'app'], SLICE, ACME),
    sorts: true,
  },
  'the idents of a version': { read: async () => listIdents(db, ['acme', 'app', '1.0.0'], SLICE, ACME) },
  'the packages of an origin': {
    read: async () => listPackages(db, ['acme'], SLICE, PUBLIC_AUDIENCE),
    sorts: true,
  },
  'the versions of a package': { read: async () => listVersions(db, NAME, PUBLIC_AUDIENCE) },
  'the idents of an origin in a view': {
    read: async () => listIdentsInView(db, viewId, ['acme'], SLICE, ACME),
    sorts: true,
  },
  'the idents of an origin in two views': {
    read: async () =>
      listIdentsInView(
        db,
        { viewId, otherId: viewId + 1, lines: ['acme/app x86_64-linux'] },
        ['acme'],
        SLICE,
        ACME,
      ),
    sorts: true,
  },
  'a search for releases': { read: async () => searchIdents(db, WORDS, SLICE, ACME), sorts: true },
  'a search for packages': { read: async () => searchPackages(db, WORDS, SLICE, ACME), sorts: true },
  'a search for releases in a view': {
    read: async () => searchIdents(db, WORDS, { ...SLICE, viewId }, ACME),
    sorts: true,
  },
  'a search for packages in a view': {
    read: async () => searchPackages(db, WORDS, { ...SLICE, viewId }, ACME),
    sorts: true,
  },
  'the events of some days': {
    read: async () =>
      listEvents(
        db,
        { ...SLICE, from: 0, to: 9e12, view: undefined, search: undefined },
        PUBLIC_AUDIENCE,
        undefined,
      ),
  },
  'the events of one channel and some words': {
    read: async () => listEvents(db, { ...SLICE, from: 0, to: 9e12, view: 'stable', search: WORDS }, ACME, 1),
  },
  'whether anything depends on a package': { read: async () => hasDependents(db, NAME, 'x86_64-linux') },
  'what depends on a package': {
    read: async () => listDependents(db, NAME, 'x86_64-linux', { audience: PUBLIC_AUDIENCE, members: ACME }),
  },
  'blobs that nothing needs': { read: async () => listUnneeded(db, { after: undefined, limit: 100 }) },
}

for (const [name, { read, sorts }] of Object.entries(reads)) {
  test(`${name}: uses an index`, async (t) => {
    statements.length = 0
    await read()
    t.ok(statements.length > 0)
    for (const { sql, parameters } of statements) {
      const plan = connection
        .prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
        .all(...parameters)
        .map(({ detail }) => detail)
      const dear = plan.filter(
        (detail) =>
          /^SCAN (?!CONSTANT|\S+ VIRTUAL TABLE|(views|needed|dependents|counted|targets)\b)/.test(detail) &&
          !/USING (COVERING )?INDEX \S+_unneeded/.test(detail),
      )
      t.strictSame(dear, [], plan.join('\n'))
      if (sorts === undefined)
        t.notOk(
          plan.some((detail) => /TEMP B-TREE FOR (ORDER|GROUP)/.test(detail)),
          plan.join('\n'),
        )
    }
  })
}

test('releases that are not public are read from their own index', async (t) => {
  statements.length = 0
  t.strictSame(await listNotPublic(db), [
    {
      line: 'acme/web x86_64-linux',
      ident: 'acme/web/1.0.0/20260101000000',
      isDeleted: false,
      hasNoPublicRelease: true,
    },
  ])
  const plans = statements.flatMap(({ sql, parameters }) =>
    connection.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters),
  )
  t.ok(
    plans.some(({ detail }) => /releases_not_public/.test(detail)),
    plans.map(({ detail }) => detail).join('\n'),
  )
  t.ok(await listIdents(db, ['acme'], SLICE, UNRESTRICTED_AUDIENCE))
})
