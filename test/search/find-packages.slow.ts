import BetterSqlite3 from 'better-sqlite3'
import { test } from 'tap'
import { sqliteFileOf } from '../../src/config/database.ts'
import { PUBLIC_AUDIENCE, UNRESTRICTED_AUDIENCE } from '../../src/access/access.ts'
import type { Audience } from '../../src/access/access.ts'
import { listSuffixes } from '../../src/search/suffix-store.ts'
import { findPackages } from '../../src/search/find-packages.ts'
import { matchesQuery, parsePackageQuery } from '../../src/search/package-query.ts'
import { getView } from '../../src/revisions/view-store.ts'
import { runsOf, seeded } from '../support/random.ts'
import { makeReleases, move, setVisibility } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'

const VERSIONS = ['1.0', '1.1', '2.0']
const TARGETS = ['x86_64-linux', 'aarch64-linux']

test('a search finds what reading all releases finds, the best matches first', async (t) => {
  const started = await startDepot(t)
  const { db } = started.depot
  const random = seeded(1)
  const pick = (items: readonly string[]) => items[Math.floor(random() * items.length)] ?? ''
  const names = new Set(
    Array.from(
      { length: 40 },
      () =>
        `${pick(['aa', 'ab', 'b'])}/${pick(['a', 'ab', 'ba', 'b-a', 'a_b', 'aab', 'c'])}${pick(['', '', '-a', 'b'])}`,
    ),
  )
  const releases = await makeReleases(
    started,
    ...[...names].flatMap((name) =>
      VERSIONS.filter(() => random() < 0.6).map(
        (version) => `${name}/${version}/20260101000000 for ${pick(TARGETS)}`,
      ),
    ),
  )
  const joined = releases.filter(() => random() < 0.5)
  await move(started, 'promote', 'acceptance', joined)
  const hidden = new Set<string>()
  for (const { ident } of releases)
    if (random() < 0.2) {
      hidden.add(ident)
      await setVisibility(started, ident, 'private')
    }
  const view = await getView(db, 'acceptance')

  const all = async (text: string, audience: Audience, limit: number) => {
    const query = parsePackageQuery(text)
    const viewId = query.fields.in === undefined ? undefined : view.id
    const found: string[] = []
    let after: Parameters<typeof findPackages>[2]['after']
    do {
      const page = await findPackages(db, query, { viewId, after, limit }, audience)
      t.ok(page.items.length <= limit)
      found.push(...page.items.map(({ origin, name }) => `${origin}/${name}`))
      after = page.next
    } while (after !== undefined)
    return found
  }
  const expected = (text: string, audience: Audience) => {
    const query = parsePackageQuery(text)
    const { version, target, in: inView, 'signed-by': signer } = query.fields
    const matching = releases.filter((release) => {
      const [origin = '', name = '', ofVersion = ''] = release.ident.split('/')
      return (
        matchesQuery({ origin, name }, query) &&
        (audience.seesAll || !hidden.has(release.ident)) &&
        (version === undefined ||
          (version.isBeginning ? ofVersion.startsWith(version.text) : ofVersion === version.text)) &&
        (target === undefined || release.target === target.text) &&
        (signer === undefined || `${origin}-20260101000000`.startsWith(signer.text)) &&
        (inView === undefined || joined.includes(release))
      )
    })
    return [...new Set(matching.map(({ ident }) => ident.split('/').slice(0, 2).join('/')))].toSorted()
  }
  const fields = [
    () => pick(['a', 'b', 'ab', 'ba', 'a/a', '-', '_b', 'aab', 'c']),
    () => `origin:${pick(['aa', 'b', 'a*'])}`,
    () => `name:${pick(['a', 'ab', 'a*', 'b-a'])}`,
    () => `version:${pick(['1.0', '1.*', '3'])}`,
    () => `target:${pick(TARGETS)}`,
    () => `signed-by:${pick(['aa-20260101000000', 'a*'])}`,
    () => 'in:acceptance',
  ]
  for (let run = 0; run < runsOf(150); run += 1) {
    const parts = fields.filter(() => random() < 0.3).map((part) => part())
    const text = parts.length === 0 ? 'a' : parts.join(' ')
    for (const audience of [PUBLIC_AUDIENCE, UNRESTRICTED_AUDIENCE]) {
      const found = await all(text, audience, 1 + Math.floor(random() * 9))
      t.strictSame(found.toSorted(), expected(text, audience), text)
    }
  }
  const [first] = await all('ab', UNRESTRICTED_AUDIENCE, 100)
  t.match(first, /\/ab$/, 'a package of exactly this name')
  const named = (await all('ab', UNRESTRICTED_AUDIENCE, 100)).map((found) => /^ab|\/ab/.test(found))
  t.equal(named.lastIndexOf(true) + 1, named.filter(Boolean).length, 'then those that begin with it')
  t.strictSame(await all('aa/a', UNRESTRICTED_AUDIENCE, 100).then(([one]) => one), 'aa/a')
})

test('a search looks at a limited number of packages for each page', async (t) => {
  const started = await startDepot(t)
  const { db } = started.depot
  await makeReleases(started, 'acme/p/1.0/20260101000000')
  const connection = new BetterSqlite3(sqliteFileOf(started.depot.config))
  connection.exec(`
    INSERT INTO packages (origin_id, name)
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2099)
    SELECT 1, 'p' || n FROM numbers;
    INSERT INTO package_suffixes SELECT 0, 'acme/' || name, id FROM packages WHERE name <> 'p'`)
  connection.close()
  const query = parsePackageQuery('acme/p version:2.0')
  const search = { viewId: undefined, limit: 10 }
  const first = await findPackages(db, query, { ...search, after: undefined }, PUBLIC_AUDIENCE)
  t.match(first, { items: [], next: [0, String, Number] })
  const second = await findPackages(db, query, { ...search, after: first.next }, PUBLIC_AUDIENCE)
  t.match(second, { items: [], next: undefined })
  const range = { places: [0] as const, beginning: 'acme/p', isWhole: false }
  t.equal((await listSuffixes(db, range, { place: 0, after: first.next, limit: 1_000 })).length, 100)
})
