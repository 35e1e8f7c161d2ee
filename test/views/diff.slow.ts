import tap, { test } from 'tap'
import { UNRESTRICTED_AUDIENCE, PUBLIC_AUDIENCE } from '../../src/access/access.ts'
import type { Audience } from '../../src/access/access.ts'
import { lineKey, parseIdent } from '../../src/package/ident.ts'
import { compareReleases } from '../../src/package/version.ts'
import { listPointersAt } from '../../src/revisions/content-store.ts'
import { listDifferences } from '../../src/revisions/diff-store.ts'
import type { Difference, ViewState } from '../../src/revisions/diff-store.ts'
import { listLatestSpans } from '../../src/revisions/membership-store.ts'
import { getView } from '../../src/revisions/view-store.ts'
import { makeManyReleases, moveAtRandom } from '../support/views/random-moves.ts'
import { makeReleases, makeView, move } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'

// Compares differences and holders of pointers with the content of each revision, after a fixed random run.

const started = await startDepot(tap)
const { db } = started.depot
const { releases, hidden } = await makeManyReleases(started)
for (const [seed, rule] of (['promoted', 'highest'] as const).entries())
  await moveAtRandom(started, rule, { rule, releases, moves: 50, seed: seed + 1 })
const promoted = await getView(db, 'promoted')
const highest = await getView(db, 'highest')
const AUDIENCES: Readonly<Record<string, Audience>> = {
  everyone: UNRESTRICTED_AUDIENCE,
  'the public': PUBLIC_AUDIENCE,
}

const contentOf = async ({ view, revision }: ViewState, audience: Audience) =>
  new Map(
    (await listPointersAt(db, view, revision, { limit: 1_000 }, audience)).map((pointer) => [
      lineKey(pointer),
      pointer,
    ]),
  )

async function expectedOf(from: ViewState, to: ViewState, audience: Audience) {
  const [before, after] = [await contentOf(from, audience), await contentOf(to, audience)]
  const lines = [...new Set([...before.keys(), ...after.keys()])].toSorted()
  return lines
    .map((line) => ({
      package: line.split(' ')[0],
      target: line.split(' ')[1],
      from: before.get(line)?.ident,
      to: after.get(line)?.ident,
      fromChecksum: before.get(line)?.checksum,
      toChecksum: after.get(line)?.checksum,
    }))
    .filter((line) => line.from !== line.to)
    .map((line) => ({
      ...line,
      change:
        line.from === undefined
          ? 'added'
          : line.to === undefined
            ? 'removed'
            : compareReleases(parseIdent(line.from), parseIdent(line.to)) < 0
              ? 'moved'
              : 'downgraded',
    }))
}

for (const [who, audience] of Object.entries(AUDIENCES)) {
  test(`differences equal a comparison of both contents, for ${who}`, async (t) => {
    const seen = new Set<string>()
    for (const view of [promoted, highest]) {
      for (let revision = 0; revision <= view.revision; revision += 2) {
        for (const other of [0, Math.max(0, revision - 1), view.revision]) {
          const [from, to] = [
            { view, revision },
            { view, revision: other },
          ]
          const found = await listDifferences(db, { from, to }, { limit: 1_000 }, audience)
          t.strictSame(found, await expectedOf(from, to, audience), `${view.name} ${revision} to ${other}`)
          for (const { change } of found) seen.add(change)
        }
      }
    }
    t.strictSame([...seen].toSorted(), ['added', 'downgraded', 'moved', 'removed'])
  })

  test(`differences between views equal a comparison of their contents, page by page, for ${who}`, async (t) => {
    const [from, to] = [
      { view: promoted, revision: 20 },
      { view: highest, revision: highest.revision },
    ]
    const expected = await expectedOf(from, to, audience)
    t.ok(expected.length >= 3, `${expected.length}`)
    const paged: Difference[] = []
    for (let last: Difference | undefined; ;) {
      const page = await listDifferences(
        db,
        { from, to },
        { limit: 2, ...(last && { after: [last.package, last.target] }) },
        audience,
      )
      paged.push(...page)
      last = page.at(-1)
      if (last === undefined) break
    }
    t.strictSame(paged, expected)
    if (who === 'the public')
      for (const ident of hidden) t.notOk(JSON.stringify(paged).includes(ident), ident)
  })

  test(`holders of a pointer equal the content of each revision, for ${who}`, async (t) => {
    const held: string[] = []
    for (const view of [promoted, highest]) {
      for (const name of ['acme/app', 'acme/web']) {
        const line = { package: name, target: 'x86_64-linux' } as const
        const holders = await listLatestSpans(
          db,
          view,
          line,
          { before: view.revision + 1, limit: 1_000 },
          audience,
        )
        held.push(...holders.map(({ ident }) => ident))
        t.ok(
          holders.every(({ from }, index) => from > (holders[index + 1]?.from ?? -1)),
          'newest first',
        )
        for (let revision = 0; revision <= view.revision; revision += 1) {
          const now = holders
            .filter(({ from, to }) => from <= revision && (to ?? Infinity) > revision)
            .map(({ ident, since }) => ({ ident, since }))
          const content = await listPointersAt(
            db,
            view,
            revision,
            { origin: 'acme', name: name.slice(5), limit: 10 },
            audience,
          )
          const expected = content.filter(({ target }) => target === line.target)
          t.strictSame(
            now,
            expected.map(({ ident, since }) => ({ ident, since })),
            `${view.name} ${name} at ${revision}`,
          )
        }
        const paged = []
        for (let before = view.revision + 1; ;) {
          const page = await listLatestSpans(db, view, line, { before, limit: 2 }, audience)
          paged.push(...page)
          before = page.at(-1)?.from ?? 0
          if (page.length === 0) break
        }
        t.strictSame(paged, holders)
      }
    }
    t.ok(held.length > 12, `${held.length}`)
  })
}

test('differences can be restricted to an origin or a name, by either method of finding them', async (t) => {
  const names = Array.from({ length: 110 }, (_, index) => `lib${String(index).padStart(3, '0')}`)
  await makeReleases(started, 'bee/other/1.0.0/20260101000000')
  const makeAll = async (idents: readonly string[]) =>
    (await Promise.all(idents.map((ident) => makeReleases(started, ident)))).flat()
  const made = await makeAll(
    ['acme', 'bee'].flatMap((origin) => names.map((name) => `${origin}/${name}/1.0.0/20260101000000`)),
  )
  const newer = await makeAll(
    names
      .slice(0, 30)
      .flatMap((name) => [`acme/${name}/2.0.0/20260101000000`, `acme/${name}/3.0.0/20260101000000`]),
  )
  await makeView(started, 'wide', 'promoted')
  for (const act of [
    'promote',
    'demote',
    'promote',
    'demote',
    'promote',
    'demote',
    'promote',
    'demote',
    'promote',
  ] as const)
    await move(started, act, 'wide', made)
  await move(started, 'promote', 'wide', newer)
  const view = await getView(db, 'wide')
  const all = { from: { view: await getView(db, 'delivered'), revision: 0 }, to: { view, revision: 10 } }
  const same = { from: { view, revision: 0 }, to: { view, revision: 10 } } // 1,160 joined, so several reads are needed
  const few = { from: { view, revision: 9 }, to: { view, revision: 10 } }
  t.equal((await listDifferences(db, all, { limit: 1_000 }, UNRESTRICTED_AUDIENCE)).length, 220)
  t.strictSame(
    await listDifferences(db, all, { limit: 1_000 }, UNRESTRICTED_AUDIENCE),
    await listDifferences(db, same, { limit: 1_000 }, UNRESTRICTED_AUDIENCE),
  )
  t.strictSame(
    (await listDifferences(db, all, { origin: 'bee', limit: 1_000 }, UNRESTRICTED_AUDIENCE)).map(
      (line) => line.package,
    ),
    names.map((name) => `bee/${name}`),
  )
  t.strictSame(
    (await listDifferences(db, all, { name: 'lib007', limit: 1_000 }, UNRESTRICTED_AUDIENCE)).map(
      (line) => line.package,
    ),
    ['acme/lib007', 'bee/lib007'],
  )
  t.strictSame(
    (await listDifferences(db, few, { limit: 1_000 }, UNRESTRICTED_AUDIENCE)).map((line) => line.to),
    names.slice(0, 30).map((name) => `acme/${name}/3.0.0/20260101000000`),
  )
  t.equal((await listDifferences(db, few, { origin: 'bee', limit: 1_000 }, UNRESTRICTED_AUDIENCE)).length, 0)
  t.equal(
    (await listDifferences(db, few, { origin: 'acme', name: 'lib029', limit: 1_000 }, PUBLIC_AUDIENCE))
      .length,
    1,
  )
  const second = await listDifferences(
    db,
    all,
    { origin: 'bee', after: ['bee/lib100', 'x86_64-linux'], limit: 2 },
    UNRESTRICTED_AUDIENCE,
  )
  t.strictSame(
    second.map((line) => line.package),
    ['bee/lib101', 'bee/lib102'],
  )
})
