import { test } from 'tap'
import { didYouMean, nearest } from '../../src/text/nearest.ts'

const VIEWS = ['unstable', 'acceptance', 'union', 'rehearsal', 'delivered', 'stable', 'base']

test('a name with few typing mistakes is recognized', async (t) => {
  for (const [typed, meant] of [
    ['unoin', 'union'],
    ['unon', 'union'],
    ['Union', 'union'],
    ['acceptence', 'acceptance'],
    ['aceptanse', 'acceptance'],
    ['deliverd', 'delivered'],
    ['stabel', 'stable'],
    ['bases', 'base'],
    ['delivered', 'delivered'],
  ] as const) {
    t.equal(nearest(typed, VIEWS), meant, typed)
  }
  t.equal(nearest('DEPOT_MAXUPLOAD', ['DEPOT_LISTEN', 'DEPOT_MAX_UPLOAD']), 'DEPOT_MAX_UPLOAD')
  t.equal(nearest('dry_run', ['dry-run']), 'dry-run')
})

test('a name that is not similar to any gives no suggestion', async (t) => {
  for (const typed of ['nosuch', '', 'production', 'x', 'uuuuu', 'u'.repeat(10_000)])
    t.equal(nearest(typed, VIEWS), undefined, typed.slice(0, 20))
  t.equal(nearest('union', []), undefined)
})

test('the nearest name wins, and the first of equally near ones', async (t) => {
  t.equal(nearest('app1', ['app2', 'app1']), 'app1')
  t.equal(nearest('app1', ['app2', 'app3']), 'app2')
})

test('didYouMean returns the end of a sentence or an empty text', async (t) => {
  t.equal(didYouMean('unoin', VIEWS), '; did you mean union?')
  t.equal(didYouMean('nosuch', VIEWS), '')
})
