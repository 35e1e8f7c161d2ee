import type { Change } from '../../client/operations.ts'
import { formatTime } from '../../text/columns.ts'
import { UsageError } from '../exit-codes.ts'
import type { Io } from '../io.ts'
import type { Output } from '../output.ts'
import { connect } from '../remote/connect.ts'
import type { RemoteOptions } from '../remote/connect.ts'
import { projectName } from './change-name.ts'
import type { ChangeOptions } from './change-name.ts'
import { readProject } from './config.ts'
import { CHANGE_PHASES, VIEW_PHASES } from './phase.ts'
import { isCurrent, lastReport } from './progress.ts'

export interface StatusOptions extends RemoteOptions, ChangeOptions {
  readonly config?: string | undefined
  readonly all?: boolean | undefined
  readonly count: string
}

const MAX_COUNT = 100
const SHOWN_CHANGE = 12

/** Shows where the newest changes of a project stand. */
export async function showStatus(io: Io, options: StatusOptions): Promise<void> {
  const count = Number(options.count)
  if (!Number.isInteger(count) || count < 1 || count > MAX_COUNT)
    throw new UsageError(`--count is a number from 1 to ${MAX_COUNT}, not ${options.count}`)
  const project = await readProject(io, options.config)
  const { depot, out } = connect(io, options)
  const name = options.all === true ? undefined : await projectName(io, project, options)
  const { changes } = await depot.listChanges({ limit: count, ...(name !== undefined && { project: name }) })
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

/**
 * Sums up phases that run one after another: `failed smoke`, `running deploy`, `passed` if all have ended, or
 * else the name of the last phase that has.
 */
function standOf(
  change: Change,
  phases: typeof CHANGE_PHASES | typeof VIEW_PHASES,
  view: string | undefined,
): string {
  const reports = phases
    .flatMap((phase) => lastReport(change, phase, view) ?? [])
    .filter((report) => isCurrent(change, report))
  const notable = ['failed', 'running'].flatMap((status) =>
    reports.filter((report) => report.status === status),
  )
  const [first] = notable
  if (first !== undefined) return `${first.status} ${first.phase}`
  if (reports.length === phases.length) return 'passed'
  return reports.at(-1)?.phase ?? ''
}

/** Commits are shown as git shortens them. */
function shortName(change: string): string {
  return /^[0-9a-f]{40}$/.test(change) ? change.slice(0, SHOWN_CHANGE) : change
}
