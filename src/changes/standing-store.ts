import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import type { ReleaseName } from '../package/ident.ts'
import type { MissingPhase, MissingPhases, Standing } from '../views/gate.ts'
import { CHANGE_PHASES } from '../views/phase.ts'
import type { PhaseStatus } from '../views/phase.ts'
import type { Requirement, ViewRelease } from '../views/view.ts'
import { NO_VIEW } from './phase-store.ts'

/** A release as a part of a change. */
interface Part {
  readonly releaseId: number
  readonly changeId: number
  readonly project: string
  readonly change: string
  readonly position: number
  /** The position of the rebuild that replaces the release; infinite if there is none. */
  readonly replacedBy: number
}

/** The last report of a phase. */
interface Report {
  readonly status: PhaseStatus
  /** How many releases the change had when the report came. */
  readonly releaseCount: number
}

/**
 * Reads how the phases of a requirement stand for releases, by release id. Returns an empty map if the
 * requirement names no phases. Releases that belong to no change are absent. A release that belongs to
 * several changes has passed if all phases passed in one of them; otherwise, its newest change counts.
 */
export async function readStandings(
  db: Db,
  { view, phases = [] }: Pick<Requirement, 'view' | 'phases'>,
  releases: readonly ViewRelease[],
): Promise<Map<number, Standing>> {
  if (phases.length === 0) return new Map()
  const parts = await listParts(db, releases)
  const reports = await listReports(db, { view, phases }, new Set(parts.map(({ changeId }) => changeId)))
  const found = new Map<number, 'passed' | { part: Part; missing: readonly MissingPhase[] }>()
  for (const part of parts) {
    const missing = phases.flatMap((phase) => missingPhase(part, { phase, view }, reports) ?? [])
    if (missing.length === 0) found.set(part.releaseId, 'passed')
    else if (!found.has(part.releaseId)) found.set(part.releaseId, { part, missing })
  }
  const refused = [...found.values()].flatMap((standing) =>
    standing === 'passed' ? [] : [standing.part.changeId],
  )
  const names = await listNames(db, refused)
  return new Map(
    [...found].map(([releaseId, standing]): [number, Standing] => [
      releaseId,
      standing === 'passed' ? standing : describe(standing, names),
    ]),
  )
}

function describe(
  { part, missing }: { part: Part; missing: readonly MissingPhase[] },
  names: ReadonlyMap<number, readonly ReleaseName[]>,
): MissingPhases {
  const { project, change, changeId } = part
  return { project, change, missing, releases: names.get(changeId) ?? [] }
}

/** Returns a required phase if it has not passed for a release. */
function missingPhase(
  { changeId, position, replacedBy }: Part,
  { phase, view }: { phase: string; view: string },
  reports: ReadonlyMap<string, Report>,
): MissingPhase | undefined {
  const ofView = reports.get(keyOf(changeId, phase, view))
  const report = ofView ?? reports.get(keyOf(changeId, phase, NO_VIEW))
  if (report === undefined)
    return { phase, view: CHANGE_PHASES.includes(phase) ? undefined : view, why: 'unreported' }
  const reported = { phase, view: ofView === undefined ? undefined : view }
  // Phases without a view, except publish, are about the sources of the change. Publish and phases in views
  // are about the releases that the change had at the time of the report: not about a release that was added
  // later, and not about one that had been replaced before.
  const isOfSources = ofView === undefined && phase !== 'publish'
  const isOfRelease = isOfSources || (report.releaseCount >= position && report.releaseCount < replacedBy)
  if (!isOfRelease) return { ...reported, why: 'of other builds' }
  return report.status === 'passed' ? undefined : { ...reported, why: report.status }
}

/** Lists the changes to which releases belong, the newest change of each release first. */
async function listParts(db: Db, releases: readonly ViewRelease[]): Promise<Part[]> {
  const parts: Part[] = []
  for (const ids of inBatches(releases.map(({ releaseId }) => releaseId))) {
    const rows = await db
      .selectFrom('change_releases')
      .innerJoin('changes', 'changes.id', 'change_releases.change_id')
      .select([
        'change_releases.release_id',
        'change_releases.change_id',
        'change_releases.position',
        'change_releases.replaced_by',
        'changes.project',
        'changes.change',
      ])
      .where('change_releases.release_id', 'in', ids)
      .orderBy('change_releases.release_id')
      .orderBy('change_releases.change_id', 'desc')
      .execute()
    for (const row of rows)
      parts.push({
        releaseId: row.release_id,
        changeId: row.change_id,
        project: row.project,
        change: row.change,
        position: row.position,
        replacedBy: row.replaced_by ?? Infinity,
      })
  }
  return parts
}

async function listReports(
  db: Db,
  { view, phases }: { view: string; phases: readonly string[] },
  changeIds: ReadonlySet<number>,
): Promise<Map<string, Report>> {
  const reports = new Map<string, Report>()
  for (const ids of inBatches(changeIds)) {
    const rows = await db
      .selectFrom('change_phases')
      .select(['change_id', 'phase', 'view', 'status', 'releases'])
      .where('change_id', 'in', ids)
      .where('phase', 'in', phases)
      .where('view', 'in', [view, NO_VIEW])
      .execute()
    for (const row of rows)
      reports.set(keyOf(row.change_id, row.phase, row.view), {
        status: row.status,
        releaseCount: row.releases,
      })
  }
  return reports
}

/** Lists the names of the releases of changes. */
async function listNames(db: Db, changeIds: readonly number[]): Promise<Map<number, ReleaseName[]>> {
  const names = new Map<number, ReleaseName[]>()
  for (const ids of inBatches(changeIds)) {
    const rows = await db
      .selectFrom('change_releases')
      .innerJoin('releases', 'releases.id', 'change_releases.release_id')
      .select(['change_releases.change_id', 'releases.ident', 'releases.target'])
      .where('change_releases.change_id', 'in', ids)
      .execute()
    for (const { change_id, ...name } of rows) names.set(change_id, [...(names.get(change_id) ?? []), name])
  }
  return names
}

function keyOf(changeId: number, phase: string, view: string): string {
  return `${changeId} ${phase} ${view}`
}
