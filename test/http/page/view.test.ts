import { test } from 'tap'
import { fileTest } from '../../support/runner/run-files.ts'
import { NEW, OLD, OTHER, startMoved } from '../../support/views/view-scene.ts'

const { started } = await startMoved(fileTest())
const { app, depot } = started

async function read(url: string): Promise<{ status: number; body: string; idents: string[] }> {
  const { statusCode: status, body } = await app.inject({ url, headers: { accept: 'text/html' } })
  return {
    status,
    body,
    idents: [...body.matchAll(/<td data-cell="([^"]+)"/g)].map(([, ident = '']) => ident),
  }
}

test('a view shows what it has now, and at a revision or a date', async (t) => {
  t.equal((await read('/views/union')).idents[0], NEW)
  t.strictSame((await read('/views/union?at=1')).idents, [OLD])
  const [first] = await depot.db
    .selectFrom('ledger')
    .select('at')
    .where('revision', '=', 1)
    .where('view_id', '=', 3)
    .execute()
  const time = new Date(first?.at ?? 0).toISOString()
  t.strictSame((await read(`/views/union?at=${time}`)).idents, [OLD])
  t.strictSame((await read('/views/union?at=2025-01-01')).idents, [])
  t.strictSame((await read('/views/union?at=&origin=other')).idents, [])
  for (const [at, status] of [
    ['99', 404],
    ['yesterday', 400],
  ] as const)
    t.equal((await read(`/views/union?at=${at}`)).status, status)
  t.equal((await read('/views/absent')).status, 404)
})

test('only the present follows the depot', async (t) => {
  t.match((await read('/views/union')).body, 'data-live="/live?view=union"')
  t.notMatch((await read('/views/union?at=1')).body, 'data-live=')
})

test('the history has every revision, and each its own page', async (t) => {
  const { body } = await read('/views/union/history')
  t.strictSame(
    [...body.matchAll(/<tr id="revision-(\d+)"/g)].map(([, number]) => number),
    ['3', '2', '1'],
  )
  t.strictSame(
    [...(await read('/views/union/history?before=2')).body.matchAll(/<tr id="revision-(\d+)"/g)].length,
    1,
  )
  t.match((await read('/views/union/revisions/2')).body, NEW)
  t.equal((await read('/views/union/revisions/9')).status, 404)
})

test('two views, and two states of a view, are compared', async (t) => {
  const compare = '/views/union/compare'
  const rows = async (query: string) => {
    const { body } = await read(`${compare}?${query}`)
    return [...body.matchAll(/<tr id.*?<\/tr>/gs)].map(([row]) => [
      ...[...row.matchAll(/data-cell="([^"]*)"/g)].map(([, ident]) => ident),
      /class="badge[^>]*>([^<]*)/.exec(row)?.[1],
    ])
  }
  t.match((await read('/views/union')).body, `href="${compare}"`)
  t.match((await read('/views/union/revisions/1')).body, `href="${compare}?at=1"`)
  t.strictSame(await rows('with=delivered&name=app'), [[NEW, '', 'only in union']])
  t.strictSame(await rows('at=1'), [
    [OLD, NEW, 'higher'],
    ['', OTHER, 'only in revision 3'],
  ])
  t.strictSame(await rows('at=&with_at=1&name=app'), [[NEW, OLD, 'lower']])
  t.strictSame(await rows('at=1&with_at=2&after=acme/app%20x86_64-linux'), [])
  t.match((await read(`${compare}?with=delivered&origin=other`)).body, 'Nothing differs')
  t.match((await read(compare)).body, 'Both sides are the same')
  t.match((await read(`${compare}?at=1`)).body, 'hart-depot diff union@1 union<')
  for (const [query, status] of [
    ['with=absent', 404],
    ['with_at=yesterday', 400],
  ] as const)
    t.equal((await read(`${compare}?${query}`)).status, status)
})

test('a view that others require, freeze and approve says so in sentences', async (t) => {
  const actor = { client: 'tests', door: 'cli' } as const
  const gates = {
    requires: [{ view: 'acceptance', as: 'member' as const, soakMs: 5_400_000, phases: ['smoke'] }],
    closure: 'view' as const,
    downgrade: 'refuse' as const,
    settleMs: 120_000,
    promoters: ['admin', 'group:payments'],
    approval: { expiresMs: 86_400_000 },
  }
  await depot.writer.submit({ kind: 'setGates', input: { view: 'delivered', gates }, actor })
  const { body } = await read('/views/delivered')
  const text = body.replaceAll(/<[^>]+>/g, '')
  for (const sentence of [
    'Only admin, the group payments and administrators may change this view.',
    'must be a member in acceptance, and must have been so for 90 minutes. The phase smoke must have passed',
    'nothing that others here need may leave',
    'must not lower a version',
    'it rests for 2 minutes',
    'anyone else who may promote. A proposal expires after 1 day.',
  ])
    t.ok(text.includes(sentence), sentence)
})
