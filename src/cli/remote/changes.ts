import type { Command } from '@commander-js/extra-typings'
import type { DepotClient } from '../../client/client.ts'
import { RequestRefused } from '../../client/errors.ts'
import type { Change, NewPhaseReport } from '../../client/operations.ts'
import { packageOf } from '../../package/ident.ts'
import { formatTime, printable } from '../../text/columns.ts'
import { didYouMean } from '../../text/nearest.ts'
import { SEVERAL, collect, examples } from '../command.ts'
import type { Define } from '../command.ts'
import { EXIT, Exit, UsageError } from '../exit-codes.ts'
import type { Io } from '../io.ts'
import type { Output } from '../output.ts'
import { jobUrl, nameChange } from '../pipeline/change-name.ts'
import type { ChangeName, NamingOptions } from '../pipeline/change-name.ts'
import { readProject } from '../pipeline/config.ts'
import { PHASES } from '../pipeline/phase.ts'
import { checkIdent, wholeNumber } from './arguments.ts'
import { connect, connectToChange, remoteOptions } from './connect.ts'
import { expectNamesExist } from './expect-names-exist.ts'

const STATUSES = ['running', 'passed', 'failed', 'skipped', 'not_configured'] as const
const STATES = ['recorded', 'running', 'failed', 'passed'] as const
type Target = Change['targets'][number]

const USUAL_COUNT = 20
/** The most changes that the depot lists at once. */
const MAX_PAGE_SIZE = 100
const PUBLIC_ID = /^[0-9a-f]{32}$/

export const changeRecord: Define = (command, io) =>
  changeOptions(remoteOptions(command).argument('[releases...]', 'releases that were built from the change'))
    .option('--commit <commit>', 'its commit; the default is that of the CI system or of git')
    .option('--branch <branch>', 'its branch')
    .option('--link <url>', 'where people read about it')
    .option('--build-for <target>', `a target for which it is to be built; ${SEVERAL}`, collect)
    .option('--target <target>', 'the target of the releases, if their idents have several')
    .option('--rebuild', 'let the releases replace others of the same package and target')
    .addHelpText(
      'after',
      examples([
        ['change record --project acme/app', 'record the commit that the CI system or git names'],
        ['change record acme/app/1.2.0/20260101120000', 'record it with a release that was uploaded'],
      ]),
    )
    .action(async (releases, options) => {
      for (const release of releases) checkIdent(release)
      const { depot, out } = connectToChange(io, options)
      const [first] = releases
      const name = await readName(io, { ...options, projectOfPackage: first && packageOf(first) })
      const { project, change } = name
      const { commit = name.commit, branch = name.branch, link = name.url, buildFor, target } = options
      let recorded = await depot.recordChange({
        body: {
          project,
          change,
          commit,
          ...(branch !== undefined && { branch }),
          ...(link !== undefined && { url: link }),
          ...(buildFor !== undefined && { targets: buildFor as Target[] }), // the depot checks them
        },
      })
      for (const release of releases)
        recorded = await depot.addChangeRelease({
          id: recorded.id,
          body: {
            release,
            ...(target !== undefined && { target: target as Target }),
            ...(options.rebuild === true && { rebuild: true }),
          },
        })
      showChange(out, recorded, [recorded.id])
    })

export const changeReport: Define = (command, io) =>
  changeOptions(remoteOptions(command).argument('<phase>', 'such as unit, smoke, or a name of your own'))
    .requiredOption('--status <status>', STATUSES.join(', '))
    .option('--view <view>', 'the environment in which the phase ran')
    .option('--job <url>', 'the job that ran it; the default is that of the CI system')
    .option('--message <text>', 'what people should know')
    .option('--fence <number>', 'the fence of the lease under which it ran')
    .addHelpText(
      'after',
      examples([
        ['change report unit --status passed', 'say that the unit tests passed, and link the job'],
        [
          'change report smoke --view acceptance --status failed --message "502"',
          'say that smoke tests failed in acceptance, so that gates of union refuse the change',
        ],
      ]),
    )
    .action(async (phase, options) => {
      const { depot, out } = connectToChange(io, options)
      const status = oneOf(STATUSES, options.status, '--status')
      const { view, message, fence } = options
      const job = jobUrl(io, options)
      const id = await findOrRecord(depot, await readName(io, options))
      const body: NewPhaseReport = {
        phase,
        status,
        ...(view !== undefined && { view }),
        ...(job !== undefined && { job }),
        ...(message !== undefined && { message }),
        ...(fence !== undefined && { fence: wholeNumber(fence, '--fence') }),
      }
      const change = await depot.reportPhase({ id, body })
      const hint = PHASES.some((known) => known === phase) ? '' : didYouMean(phase, PHASES)
      if (hint !== '') out.note(`${phase} was recorded as a phase of your own${hint}`)
      const place = view === undefined ? '' : ` in ${view}`
      out.show(change, { whole: () => `${phase}${place} of ${change.change}: ${status.replace('_', ' ')}` })
    })

export const changeShow: Define = (command, io) =>
  remoteOptions(command)
    .argument('[change]', 'its name or its ID; the default is the one of the CI system or of git')
    .option('--project <origin/name>', 'the project, if several have a change of this name')
    .addHelpText(
      'after',
      examples([
        ['change show', 'show where the present commit stands'],
        ['change show 4f1c9f1d4cfd --project acme/app --json', 'print another one as JSON'],
      ]),
    )
    .action(async (change, options) => {
      const { depot, out } = connect(io, options)
      const { project } = options
      const wanted = change === undefined ? await readName(io, { project }) : { change, project }
      showChange(out, await findOne(depot, wanted))
    })

export const changeList: Define = (command, io) =>
  remoteOptions(command)
    .option('--project <origin/name>', 'only changes of this project')
    .option('--view <view>', 'only changes of which a phase was reported in this view')
    .option('--state <state>', `only changes that are ${STATES.join(', ')}`)
    .option('--count <n>', 'how many', String(USUAL_COUNT))
    .addHelpText(
      'after',
      examples([
        ['change list --project acme/app', 'list its newest changes'],
        ['change list --state failed --count 100', 'list what failed in any project'],
      ]),
    )
    .action(async (options) => {
      const { depot, out } = connect(io, options)
      const { project, view } = options
      const count = wholeNumber(options.count, '--count')
      const changes: Change[] = []
      const filter = {
        limit: Math.min(Math.max(count, 1), MAX_PAGE_SIZE),
        ...(project !== undefined && { project }),
        ...(view !== undefined && { view }),
        ...(options.state !== undefined && { state: oneOf(STATES, options.state, '--state') }),
      }
      if (count > 0)
        for await (const change of depot.each('listChanges', filter)) {
          changes.push(change)
          if (changes.length === count) break
        }
      if (changes.length === 0 && count > 0) {
        if (view !== undefined) await expectNamesExist(depot, { views: [view] })
        if (project !== undefined) await noteUnknownProject(depot, out, project)
      }
      out.show(changes, {
        whole: () =>
          out.table(
            ['PROJECT', 'CHANGE', 'STATE', 'LATEST IN', 'BRANCH', 'BY', 'AT'],
            changes.map((change) => [
              change.project,
              change.change,
              stateText(change),
              change.delivered.join(' '),
              change.branch ?? '',
              change.by ?? '',
              formatTime(Date.parse(change.at)),
            ]),
          ),
        brief: () => changes.map(({ change }) => change),
      })
    })

/** If a project has no changes at all, says so: its name may be misspelled. */
async function noteUnknownProject(depot: DepotClient, out: Output, project: string): Promise<void> {
  const { changes: own } = await depot.listChanges({ project, limit: 1 })
  if (own.length > 0) return
  const { changes: newest } = await depot.listChanges({ limit: MAX_PAGE_SIZE })
  const hint = didYouMean(
    project,
    newest.map((change) => change.project),
  )
  out.note(`No change of ${project} is recorded${hint === '' ? '.' : hint}`)
}

function changeOptions<Args extends unknown[], Options extends Record<string, unknown>>(
  command: Command<Args, Options>,
) {
  return command
    .option('--project <origin/name>', 'the project; the default is in .hart-depot.yml or the plan')
    .option('--change <name>', 'the change; the default is the commit of the CI system or of git')
}

/** Finds the names of the change from the options, the CI system, the project's files and git. */
async function readName(io: Io, options: NamingOptions): Promise<ChangeName> {
  return nameChange(io, await readProject(io, undefined), options)
}

/**
 * Returns the id of a change. Records the change if the depot does not have it. Also finds a change of this
 * name that was recorded with another commit: with `--change`, the name need not be the commit.
 */
async function findOrRecord(
  depot: DepotClient,
  { project, change, commit, branch, url }: ChangeName,
): Promise<string> {
  const body = {
    project,
    change,
    commit,
    ...(branch !== undefined && { branch }),
    ...(url !== undefined && { url }),
  }
  try {
    return (await depot.recordChange({ body })).id
  } catch (error) {
    if (error instanceof RequestRefused && typeof error.problem['change'] === 'string')
      return error.problem['change']
    throw error
  }
}

/**
 * Returns the change of a name or an ID. Throws {@link Exit} if no change has the name, the refusal of the
 * depot if none has the ID, and a UsageError if several projects have a change of this name.
 */
async function findOne(
  depot: DepotClient,
  { project, change }: { project?: string | undefined; change: string },
): Promise<Change> {
  const { changes } = await depot.listChanges({ change, ...(project !== undefined && { project }) })
  const [found, ...others] = changes
  if (found === undefined && PUBLIC_ID.test(change)) return depot.getChange({ id: change })
  const where = project === undefined ? '' : ` of ${project}`
  if (found === undefined)
    throw new Exit(EXIT.notFound, `there is no change ${change}${where}: hart-depot change list shows them`)
  if (others.length > 0)
    throw new UsageError(
      `several projects have a change ${change}: give --project ${changes.map((each) => each.project).join(' or --project ')}`,
    )
  return found
}

function showChange(out: Output, change: Change, brief: string[] = [change.state]): void {
  out.show(change, { whole: () => changeText(out, change), brief: () => brief })
}

function changeText(out: Output, change: Change): string {
  const { releases, phases, delivered } = change
  const by = change.by === null ? '' : ` by ${change.by}`
  const branch = change.branch === null ? '' : ` of ${printable(change.branch)}`
  return [
    `${change.project} ${change.change}${branch}, recorded ${change.at}${by}: ${stateText(change)}`,
    ...(change.commit === change.change ? [] : [`commit ${change.commit}`]),
    ...(change.url === null ? [] : [change.url]),
    `latest in: ${delivered.length === 0 ? 'no view' : delivered.join(', ')}`,
    ...(releases.length === 0 ? ['no release yet'] : []),
    ...tableOf(out, ['RELEASE', 'TARGET', 'SIGNER', 'REPLACED'], releases, (release) => [
      release.release,
      release.target,
      release.signer,
      release.replaced ? 'yes' : '',
    ]),
    ...tableOf(out, ['PHASE', 'VIEW', 'STATUS', 'AT', 'BY', 'JOB', 'MESSAGE'], phases, (report) => [
      report.phase,
      report.view ?? '',
      report.status.replace('_', ' '),
      formatTime(Date.parse(report.at)),
      report.by ?? '',
      report.job ?? '',
      report.message ?? '',
    ]),
  ].join('\n')
}

/** Returns a table after an empty line; nothing without rows. */
function tableOf<Item>(
  out: Output,
  heading: readonly string[],
  items: readonly Item[],
  cells: (item: Item) => string[],
): string[] {
  return items.length === 0 ? [] : ['', out.table(heading, items.map(cells))]
}

function stateText({ state, superseded_by: newer }: Change): string {
  return newer === null ? state : `${state}, superseded`
}

function oneOf<Word extends string>(words: readonly Word[], text: string, option: string): Word {
  const word = words.find((each) => each === text)
  if (word === undefined)
    throw new UsageError(`${option} is one of ${words.join(', ')}, not ${JSON.stringify(text)}`)
  return word
}
