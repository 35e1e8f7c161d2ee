import type { ViewRule } from '../../../src/views/rule.ts'
import { seeded } from '../random.ts'
import { makeReleases, makeView, move, setVisibility } from '../release-rows.ts'
import type { ReleaseRow } from '../release-rows.ts'
import type { TestDepot } from '../start-depot.ts'

// Random changes that are the same in every run: promotions, demotions, bulk moves, rollbacks, reverts and
// deletions.

const ACTOR = { client: 'tests', door: 'cli' } as const
const VERSIONS = ['1.0.0', '1.0.0-rc1', '2.0.0', '10.0.0', '9.0.0']

/** Creates releases of a few packages, each for two targets. Every fifth is private. */
export async function makeManyReleases(
  started: TestDepot,
  names: readonly string[] = ['app', 'db', 'web'],
): Promise<{ releases: ReleaseRow[]; hidden: ReadonlySet<string> }> {
  const idents = names.flatMap((name) => VERSIONS.map((version) => `acme/${name}/${version}/20260101000000`))
  const releases = await makeReleases(
    started,
    ...idents.flatMap((ident) => [ident, `${ident} for x86_64-windows`]),
  )
  const hidden = new Set(releases.map(({ ident }) => ident).filter((_, index) => index % 10 === 4))
  for (const ident of hidden) await setVisibility(started, ident, 'private')
  return { releases, hidden }
}

/**
 * Creates a view and makes random changes to it. With `setsRules`, they include changes of its rule, and
 * yanks of releases. Some are refused.
 */
export async function moveAtRandom(
  started: TestDepot,
  view: string,
  run: { rule: ViewRule; setsRules?: boolean; releases: readonly ReleaseRow[]; moves: number; seed: number },
): Promise<void> {
  const { rule, setsRules = false, releases, moves, seed } = run
  const random = seeded(seed)
  const pick = (some: readonly ReleaseRow[]) => some[Math.floor(random() * some.length)] as ReleaseRow
  const perishable = releases.filter((_, index) => index % 4 !== 1) // releases in `acceptance` are not deleted
  await makeView(started, view, rule)
  await move(
    started,
    'promote',
    'acceptance',
    releases.filter((_, index) => index % 4 === 1),
  )
  const submitted = Array.from({ length: moves }, (_, index) => {
    if (index % 10 === 3) {
      const kind = random() < 0.5 ? 'promoteAll' : 'demoteAll'
      return started.depot.writer.submit({
        kind,
        input: { origin: 'acme', source: 'acceptance', view, ownerId: 1 },
        actor: ACTOR,
      })
    }
    if (setsRules && index % 12 === 5) {
      const other = (rule === 'highest') === (index % 24 === 5) ? 'promoted' : 'highest'
      return started.depot.writer.submit({
        kind: 'changeView',
        input: { request: { view, act: 'set-rule', rule: other } },
        actor: ACTOR,
      })
    }
    if (setsRules && index % 6 === 2) {
      const { ident, target } = pick(releases)
      const input = { ident, target, mark: 'yanked' } as const
      return index % 24 === 8
        ? Promise.all(
            releases.map((one) =>
              started.depot.writer.submit({
                kind: 'unmarkRelease',
                input: { ...input, ident: one.ident, target: one.target },
                actor: ACTOR,
              }),
            ),
          )
        : started.depot.writer.submit({
            kind: 'markRelease',
            input: { ...input, reason: 'it is broken' },
            actor: ACTOR,
          })
    }
    if (index % 20 === 17) {
      const release = pick(perishable)
      return Promise.allSettled([
        move(started, 'promote', view, [release]),
        started.depot.writer.submit({ kind: 'deleteRelease', input: release, actor: ACTOR }),
      ])
    }
    if (index % 10 === 6) {
      const revision = 1 + Math.floor((random() * index) / 2)
      const request =
        random() < 0.5
          ? ({ act: 'rollback', to: { revision } } as const)
          : ({ act: 'revert', revision } as const)
      return started.depot.writer.submit({
        kind: 'changeView',
        input: { request: { ...request, view } },
        actor: ACTOR,
      })
    }
    const set = Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(releases))
    return move(started, random() < 0.65 ? 'promote' : 'demote', view, set)
  })
  await Promise.allSettled(submitted)
}
