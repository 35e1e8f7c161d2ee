import type { Change } from '../../client/operations.ts'
import { formatTime } from '../../text/columns.ts'
import { EXIT, Exit, UsageError } from '../exit-codes.ts'
import type { Io } from '../io.ts'
import type { Output } from '../output.ts'
import { connect } from '../remote/connect.ts'
import type { RemoteOptions } from '../remote/connect.ts'
import { projectName } from './change-name.ts'
import type { ChangeOptions } from './change-name.ts'
import { readProject } from './config.ts'
import { presentReleases } from './environment.ts'
import { CHANGE_PHASES, VIEW_PHASES } from './phase.ts'
import { isCurrent, lastReport } from './progress.ts'

export interface StatusOptions extends RemoteOptions, ChangeOptions {
  readonly config?: string | undefined
  readonly all?: boolean | undefined
  readonly limit: string
}

const MAX_LIMIT = 100
const SHOWN_CHANGE = 12

/** Shows where the newest changes of a project stand, or every phase of one change. */
export async function showStatus(io: Io, change: string | undefined, options: StatusOptions): Promise<void> {
  const limit = Number(options.limit)
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    throw new UsageError(`--limit is a number from 1 to ${MAX_LIMIT}, not ${options.limit}`)
  const project = await readProject(io, options.config)
  const { depot, out } = connect(io, options)
  const name = options.all === true ? undefined : await projectName(io, project, options)
  const only = name === undefined ? {} : { project: name }
  const wanted = change ?? options.change
  if (wanted !== undefined) {
    const { changes } = await depot.listChanges({ ...only, limit: MAX_LIMIT })
    const found = changes.find((each) => each.change.startsWith(wanted) || each.id === wanted)
    if (found === undefined)
      throw new Exit(
        EXIT.notFound,
        `there is no change ${wanted}${name === undefined ? '' : ` of ${name}`} among the newest ${MAX_LIMIT}`,
      )
    out.show(found, { whole: () => detailsOf(out, found), brief: () => [found.state] })
    return
  }
  const { changes } = await depot.listChanges({ ...only, limit })
  out.show(changes, {
    whole: () =>
      changes.length === 0
        ? 'No change is recorded.'
        : tableOf(out, changes, project.config.views, name === undefined),
    brief: () => changes.map((each) => each.change),
  })
}

function tableOf(
  out: Output,
  changes: readonly Change[],
  views: readonly string[],
  isOfAll: boolean,
): string {
  const rows = changes.map((change) => [
    ...(isOfAll ? [change.project] : []),
    shortName(change.change),
    change.branch ?? '',
    formatTime(Date.parse(change.at)),
    standOf(change, CHANGE_PHASES, undefined),
    ...views.map((view) => standOf(change, VIEW_PHASES, view)),
    change.superseded_by === null ? change.state : 'superseded',
  ])
  const heading = [
    'CHANGE',
    'BRANCH',
    'RECORDED',
    'BUILD',
    ...views.map((view) => view.toUpperCase()),
    'STATE',
  ]
  return out.table(isOfAll ? ['PROJECT', ...heading] : heading, rows)
}

/** Sums up some phases: `passed`, `failed smoke`, `running deploy`, or the last one that ended. */
function standOf(
  change: Change,
  phases: typeof CHANGE_PHASES | typeof VIEW_PHASES,
  view: string | undefined,
): string {
  const reports = phases
    .flatMap((phase) => lastReport(change, phase, view) ?? [])
    .filter((report) => isCurrent(change, report))
  const striking = ['failed', 'running'].flatMap((status) =>
    reports.filter((report) => report.status === status),
  )
  const [first] = striking
  if (first !== undefined) return `${first.status} ${first.phase}`
  if (reports.length === phases.length) return 'passed'
  return reports.at(-1)?.phase ?? ''
}

function detailsOf(out: Output, change: Change): string {
  const releases = presentReleases(change).map(({ release, target }) => `${release} (${target})`)
  const rows = change.phases.map((report) => [
    report.phase,
    report.view ?? '',
    isCurrent(change, report) ? report.status : `${report.status}, for earlier releases`,
    formatTime(Date.parse(report.at)),
    report.job ?? '',
    report.message ?? '',
  ])
  return [
    `${change.project} ${change.change}, recorded ${change.at}${change.by === null ? '' : ` by ${change.by}`}`,
    `releases: ${releases.length === 0 ? 'none' : releases.join(', ')}`,
    `latest in: ${change.delivered.length === 0 ? 'no view' : change.delivered.join(', ')}`,
    ...(change.superseded_by === null ? [] : ['superseded by a newer change']),
    rows.length === 0
      ? 'No phase was reported.'
      : out.table(['PHASE', 'VIEW', 'STATUS', 'AT', 'JOB', 'MESSAGE'], rows),
  ].join('\n')
}

/** Commits are shown as git shortens them. */
function shortName(change: string): string {
  return /^[0-9a-f]{40}$/.test(change) ? change.slice(0, SHOWN_CHANGE) : change
}
