import { test } from 'tap'
import { chooseColumns } from '../../../src/http/page/pipeline/columns.ts'
import { listViews } from '../../../src/revisions/view-store.ts'
import type { View } from '../../../src/views/view.ts'
import { startMoved, OLD, NEW } from '../../support/views/view-scene.ts'

const HTML = { accept: 'text/html' }
const names = (columns: readonly View[]): string[] => columns.map(({ name }) => name)

test('columns are unstable and the stages, each after what it requires', async (t) => {
  const { started } = await startMoved(t)
  const views = await listViews(started.depot.db)
  t.strictSame(names(chooseColumns(views, []).shown), [
    'unstable',
    'acceptance',
    'union',
    'rehearsal',
    'delivered',
  ])
  const turned = views.map((view) =>
    view.name === 'acceptance'
      ? { ...view, gates: { requires: [{ view: 'union', as: 'member' as const }] } }
      : view,
  )
  t.strictSame(names(chooseColumns(turned, []).shown).slice(0, 3), ['unstable', 'union', 'acceptance'])
  const { shown, others } = chooseColumns(views, ['stable', 'absent', 'union', 'stable'])
  t.strictSame(names(shown), ['stable', 'union'])
  t.ok(names(others).includes('acceptance'))
})

test('cells say since when, by whom, and how they compare with their left neighbour', async (t) => {
  const { started } = await startMoved(t)
  const { body } = await started.app.inject({ url: '/?views=unstable,union,stable', headers: HTML })
  const row = /<tr id="acme\/app:x86_64-linux">.*?<\/tr>/s.exec(body)?.[0] ?? ''
  const cells = [...row.matchAll(/<td class="(\w+)" data-cell="([^"]*)"/g)].map(([, kind, ident]) => [
    kind,
    ident,
  ])
  t.strictSame(cells, [
    ['alone', NEW],
    ['same', NEW],
  ])
  t.match(row, '/views/union/revisions/2')
  t.match(row, 'by admin')
})

test('filters select rows, and pages follow each other without a gap', async (t) => {
  const { started } = await startMoved(t)
  const rows = async (url: string) => {
    const { body } = await started.app.inject({ url, headers: HTML })
    return [...body.matchAll(/<tr id="([^"]+)">/g)].map(([, id = '']) => id)
  }
  const all = ['acme/app:x86_64-linux', 'acme/lib:x86_64-linux']
  t.strictSame(await rows('/'), all)
  t.strictSame(await rows('/?all=1'), all)
  t.strictSame(await rows('/?origin=&name=lib&changed=&behind='), all.slice(1))
  t.strictSame(await rows('/?origin=other'), [])
  t.strictSame(await rows('/?changed=1h'), all)
  t.strictSame(await rows('/?differs=1&views=unstable,union'), [])
  t.strictSame(await rows('/?behind=1h'), [], 'nothing is behind for so long')
  t.strictSame(await rows('/?after=acme/app%20x86_64-linux'), all.slice(1))
})

test('a private package shows to nobody who may not see it', async (t) => {
  const { started } = await startMoved(t)
  const { depot, app } = started
  await depot.writer.submit({
    kind: 'setVisibility',
    input: { ident: OLD, visibility: 'private' },
    actor: { client: 'tests', door: 'cli' },
  })
  await depot.writer.submit({
    kind: 'setVisibility',
    input: { ident: NEW, visibility: 'private' },
    actor: { client: 'tests', door: 'cli' },
  })
  t.notMatch((await app.inject({ url: '/', headers: HTML })).body, 'acme/app')
})
