import tap, { test } from 'tap'
import { UNRESTRICTED_AUDIENCE } from '../../../src/access/access.ts'
import { faultsOf } from '../../support/storage/retention.ts'
import { planState } from '../../../src/commands/views/plan-state.ts'
import { DepotError } from '../../../src/errors.ts'
import { listPointersAt } from '../../../src/revisions/content-store.ts'
import { findView } from '../../../src/revisions/view-store.ts'
import type { DesiredView } from '../../../src/views/desired-state.ts'
import { runsOf, seeded } from '../../support/random.ts'
import { makeReleases, move } from '../../support/release-rows.ts'
import { startDepot } from '../../support/start-depot.ts'

const ACTOR = { client: 'tests', door: 'cli' } as const
const VIEWS = ['one', 'two', 'three']

// After every twenty reads of this clock, commands become slow or fast. Slow ones read on a snapshot first.
let [reads, time] = [0, 0]
const started = await startDepot(tap, {
  elapsed: () => (time += Math.floor((reads += 1) / 20) % 2 === 0 ? 0 : 40),
})
const { db, writer } = started.depot
const releases = await makeReleases(
  started,
  ...['app', 'lib', 'web'].flatMap((name) =>
    ['1.0', '2.0', '3.0'].flatMap((version) =>
      ['x86_64-linux', 'x86_64-windows'].map(
        (target) => `acme/${name}/${version}/20260101000000 for ${target}`,
      ),
    ),
  ),
)

/** Chooses what a view should be: at random, with at most one release of each package and target. */
function desiredView(view: string, random: () => number): DesiredView {
  if (random() < 0.1) return { view, isClosed: true }
  const lines = Map.groupBy(releases, ({ ident, target }) => `${ident.split('/')[1]} ${target}`)
  const contents = [...lines.values()].flatMap((those) => {
    const release = those[Math.floor(random() * (those.length + 1))]
    return release === undefined ? [] : [release]
  })
  const required = VIEWS[Math.floor(random() * VIEWS.length)] ?? ''
  return {
    view,
    ...(random() < 0.5 && { rule: random() < 0.5 ? 'highest' : 'promoted' }),
    ...(random() < 0.3 && {
      gates: random() < 0.5 ? {} : { requires: [{ view: required, as: 'current' as const }] },
    }),
    ...(random() < 0.7 && { contents }),
  }
}

async function latestOf(name: string): Promise<string[]> {
  const view = await findView(db, name)
  if (view === undefined) return []
  const pointers = await listPointersAt(db, view, view.revision, { limit: 100 }, UNRESTRICTED_AUDIENCE)
  return pointers.map(({ ident, target }) => `${ident} ${target}`)
}

test('whatever a state describes is so after it was applied, and the ledger says the same', async (t) => {
  let applied = 0
  const random = seeded(0)
  for (let run = 0; run < runsOf(15); run += 1) {
    const views = VIEWS.filter(() => random() < 0.6).map((view) => desiredView(view, random))
    const told = JSON.stringify(views)
    try {
      await writer.submit({ kind: 'applyState', input: { views }, actor: ACTOR })
    } catch (error) {
      if (!(error instanceof DepotError)) throw error
      t.match(error.code, /^(refused|conflict|invalid_request)$/, told)
      continue
    }
    applied += 1
    for (const { view, contents, rule, isClosed } of views) {
      const found = await findView(db, view)
      if (isClosed === true) t.ok(found === undefined || found.closedAt !== undefined, told)
      else if (rule !== undefined) t.equal(found?.rule, rule, told)
      if (contents !== undefined)
        t.same(
          new Set(await latestOf(view)),
          new Set(contents.map((one) => `${one.ident} ${one.target}`)),
          told,
        )
    }
    const { plan } = await planState(
      {
        db,
        read: async (_name, _basis, act) => act(db),
        clock: { now: started.depot.now(), setBackAt: undefined },
        caller: 'operator',
      },
      views,
    )
    t.ok(
      plan.views.every(({ act }) => act === 'keep'),
      told,
    )
    if (random() < 0.3) await move(started, 'promote', 'acceptance', releases.slice(0, 1))
  }
  t.ok(applied > 2, `${applied} states were applied`)
  t.strictSame(await faultsOf(started), [])
})
