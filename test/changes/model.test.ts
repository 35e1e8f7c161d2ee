import tap, { test } from 'tap'
import { UNRESTRICTED_AUDIENCE } from '../../src/access/access.ts'
import { verifyDepot } from '../../src/audit/verify.ts'
import { getChange } from '../../src/changes/change-store.ts'
import { readStandings } from '../../src/changes/standing-store.ts'
import { parseIdent } from '../../src/package/ident.ts'
import { findViewRelease } from '../../src/revisions/member-store.ts'
import type { PhaseStatus } from '../../src/views/phase.ts'
import { runsOf, seeded } from '../support/random.ts'
import { makeReleases } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'

// Random changes, builds and reports, and a second statement of what a required phase means: each report
// remembers the builds that its change had then. The depot counts positions instead.

const actor = { client: 'tests', door: 'cli' } as const
const target = 'x86_64-linux'
const VIEWS = ['acceptance', 'union'] as const
const STATUSES: readonly PhaseStatus[] = ['passed', 'passed', 'failed', 'running', 'skipped']
const REQUIREMENTS = [
  { view: 'acceptance', phases: ['smoke'] },
  { view: 'union', phases: ['smoke', 'unit'] },
  { view: 'union', phases: ['publish', 'load-test'] },
]

/** Phases, and the views in which they are reported. `load-test` is one of the site's own. */
const REPORTED: readonly (readonly [phase: string, view?: string])[] = [
  ['unit'],
  ['publish'],
  ['load-test'],
  ...VIEWS.map((view) => ['smoke', view] as const),
  ...VIEWS.map((view) => ['load-test', view] as const),
]

interface Report {
  readonly status: PhaseStatus
  /** The builds in the change when it was reported. */
  readonly builds: ReadonlySet<string>
}

interface ModelChange {
  readonly id: string
  /** By package, the present build. */
  readonly builds: Map<string, string>
  /** Every build that was added. */
  readonly all: Set<string>
  /** The last reports, by phase and view. */
  readonly reports: Map<string, Report>
}

const started = await startDepot(tap)
const { writer, db } = started.depot
const PACKAGES = ['app', 'web']
const idents = PACKAGES.flatMap((name) => [1, 2, 3].map((stamp) => `acme/${name}/1.0/2026010112000${stamp}`))
await makeReleases(started, ...idents)
const releases = await Promise.all(
  idents.map(async (ident) => {
    const release = await findViewRelease(db, parseIdent(ident), target)
    if (release === undefined) throw new Error(`${ident} was published`)
    return release
  }),
)

/** Whether a phase has passed for a build in a change, in a view or once for the change. */
function hasPassed({ reports }: ModelChange, build: string, phase: string, view: string): boolean {
  const ofView = reports.get(`${phase} ${view}`)
  const report = ofView ?? reports.get(`${phase} `)
  if (report?.status !== 'passed') return false
  return (ofView === undefined && phase !== 'publish') || report.builds.has(build)
}

test('a phase counts for the builds that its change had when it was reported', async (t) => {
  const random = seeded(1)
  const pick = <Item>(items: readonly [Item, ...Item[]] | readonly Item[]): Item => {
    const item = items[Math.floor(random() * items.length)]
    if (item === undefined) throw new Error('there is something to pick')
    return item
  }
  const changes: ModelChange[] = []
  const record = async () => {
    const change = `change-${changes.length}`
    const input = { project: 'acme/app', change, commit: change, targets: [] }
    const { publicId } = await writer.submit({ kind: 'recordChange', input, actor })
    changes.push({ id: publicId, builds: new Map(), all: new Set(), reports: new Map() })
  }
  const addBuild = async (change: ModelChange, ident: string) => {
    const input = { change: change.id, ident, isRebuild: true }
    const { isNew } = await writer.submit({ kind: 'addChangeRelease', input, actor })
    t.equal(isNew, !change.all.has(ident))
    if (isNew) change.builds.set(parseIdent(ident).name, ident)
    change.all.add(ident)
  }
  const report = async ({ id, builds, reports }: ModelChange) => {
    const [phase, view] = pick(REPORTED)
    const status = pick(STATUSES)
    const input = { change: id, phase, status, ...(view !== undefined && { view }) }
    await writer.submit({ kind: 'reportPhase', input, actor })
    reports.set(`${phase} ${view ?? ''}`, { status, builds: new Set(builds.values()) })
  }

  await record()
  for (let step = 0; step < runsOf(120); step += 1) {
    const way = random()
    if (way < 0.05 && changes.length < 8) await record()
    else if (way < 0.35) await addBuild(pick(changes), pick(idents))
    else await report(pick(changes))
    for (const requirement of REQUIREMENTS) {
      const standings = await readStandings(db, requirement, releases)
      for (const [index, ident] of idents.entries()) {
        const own = changes.filter(({ all }) => all.has(ident))
        const passed = own.some((change) =>
          requirement.phases.every((phase) => hasPassed(change, ident, phase, requirement.view)),
        )
        const standing = standings.get(releases[index]?.releaseId ?? 0)
        const is = standing === undefined ? 'in no change' : standing === 'passed' ? standing : 'missing'
        const shouldBe = own.length === 0 ? 'in no change' : passed ? 'passed' : 'missing'
        if (is !== shouldBe) t.equal(is, shouldBe, `step ${step}: ${ident}, ${JSON.stringify(requirement)}`)
      }
    }
  }
  for (const { id, builds, reports } of changes) {
    const change = await getChange(db, id, UNRESTRICTED_AUDIENCE)
    const present = change.releases.filter(({ replacedBy }) => replacedBy === undefined)
    t.strictSame(present.map(({ ident }) => ident).toSorted(), [...builds.values()].toSorted())
    t.equal(change.phases.length, reports.size)
  }
  const snapshot = await started.depot.engine.openSnapshot()
  t.teardown(() => snapshot.close())
  t.strictSame((await verifyDepot(snapshot.reader)).findings, [])
})
