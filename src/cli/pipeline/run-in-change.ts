import type { Change } from '../../client/operations.ts'
import { EXIT, Exit } from '../exit-codes.ts'
import { explain } from '../failure.ts'
import { pathOf } from '../io.ts'
import type { Io } from '../io.ts'
import type { Connected, RemoteOptions } from '../remote/connect.ts'
import { holderName, jobUrl, nameChange } from './change-name.ts'
import type { ChangeOptions } from './change-name.ts'
import type { Project } from './config.ts'
import { changeVariables, writeEnvFile } from './environment.ts'
import { holdLease } from './lease.ts'
import type { HeldLease } from './lease.ts'
import { lint } from './lint.ts'
import type { Outcome, PhaseContext } from './outcome.ts'
import { runOwnCommand } from './own-command.ts'
import type { Phase } from './phase.ts'
import { passedReport } from './progress.ts'
import { provision } from './provision.ts'
import type { ProvisionOptions } from './provision.ts'
import { projectOfSource, publish, targetsOf } from './publish.ts'
import type { PublishOptions, Source } from './publish.ts'
import { supersededBy } from './superseding.ts'
import { syntax } from './syntax.ts'

export interface PhaseOptions extends RemoteOptions, ChangeOptions, PublishOptions, ProvisionOptions {
  /** The file of the project. */
  readonly config?: string | undefined
  readonly view?: string | undefined
  /** Another name for `view`. */
  readonly env?: string | undefined
  /** False to run a phase without the depot. */
  readonly report?: boolean | undefined
  readonly takeover?: boolean | undefined
  /** Runs a phase that has passed already. */
  readonly again?: boolean | undefined
  readonly envFile?: string | undefined
}

export interface PhaseResult {
  readonly phase: Phase
  readonly view: string | null
  /** `null` if nothing was reported. */
  readonly change: Change | null
  readonly outcome: Outcome
}

/** What is known of a phase before it begins. */
export interface PhaseToRun {
  readonly io: Io
  readonly phase: Phase
  /** The environment; `undefined` for phases that run once for the change. */
  readonly view: string | undefined
  readonly project: Project
  /** What the phase publish publishes; `undefined` for other phases. */
  readonly source: Source | undefined
  readonly options: PhaseOptions
}

/** The maximum number of characters of a message in the depot. */
const MAX_MESSAGE = 2_000
/** How long the report of a failure may take. A process that a signal ends has little time. */
const LAST_REPORT_MS = 5_000

/** Runs a phase of a change and reports how it ends. Records the change if the depot does not have it. */
export async function runInChange(given: PhaseToRun, connected: Connected): Promise<PhaseResult> {
  const { io, phase, view, project, options } = given
  const { depot, out } = connected
  const id = await recordChange(given, connected)
  await using held = await holdPhase(given, connected, id)
  const change = await depot.getChange({ id })
  const before = await outcomeBefore(given, connected, change)
  if (before !== undefined) return finish(given, change, before)
  const job = jobUrl(io, options)
  const report = async (status: 'running' | Outcome['status'], message?: string, signal?: AbortSignal) =>
    depot.reportPhase(
      {
        id,
        body: {
          phase,
          status,
          ...(view !== undefined && { view }),
          ...(held.fence !== undefined && { fence: held.fence }),
          ...(job !== undefined && { job }),
          ...(message !== undefined && { message: message.slice(0, MAX_MESSAGE) }),
        },
      },
      signal && { signal },
    )
  await report('running')
  const signal = AbortSignal.any([io.signal, ...held.lost])
  try {
    const context = { io, out, project, signal, env: environmentOf(given, connected, change) }
    const outcome = await run(given, connected, context, change)
    signal.throwIfAborted()
    return await finish(given, await report(outcome.status, outcome.message), outcome)
  } catch (error) {
    const message = explain(error) || `ended by ${String(error)}`
    await report('failed', message, AbortSignal.timeout(LAST_REPORT_MS)).catch((failure: unknown) =>
      out.note(`The failure of ${phase} was not reported: ${explain(failure)}`),
    )
    throw error
  }
}

/** Records the change of the working tree, and returns its id. Repeating this changes nothing. */
export async function recordChange(
  { io, project, source, options }: Pick<PhaseToRun, 'io' | 'project' | 'source' | 'options'>,
  { depot }: Connected,
): Promise<string> {
  const { branch, url, ...names } = await nameChange(io, project, {
    ...options,
    projectOfPackage: source && projectOfSource(source),
  })
  const { targets } = project.config
  const body = {
    ...names,
    ...(branch !== undefined && { branch }),
    ...(url !== undefined && { url }),
    ...(targets !== undefined && { targets }),
  }
  return (await depot.recordChange({ body })).id
}

interface HeldPhase extends AsyncDisposable {
  /** The fence for reports. Publish has none, because each target is published under a lease of its own. */
  readonly fence: number | undefined
  readonly lost: readonly AbortSignal[]
}

/** Takes the lease of a phase, or of each target that is published. */
async function holdPhase(
  { io, phase, view, source, options }: PhaseToRun,
  { depot, out }: Connected,
  id: string,
): Promise<HeldPhase> {
  const holder = holderName(io, jobUrl(io, options))
  const names = source === undefined ? [phase] : targetsOf(source).map((target) => `${phase}-${target}`)
  await using taken = new AsyncDisposableStack()
  const leases: HeldLease[] = []
  for (const name of names) {
    const lease = await holdLease(
      depot,
      { id, phase: name, ...(view !== undefined && { view }) },
      { holder, takeover: options.takeover === true, onTrouble: (sentence) => out.note(sentence) },
    )
    taken.defer(async () => lease.end())
    leases.push(lease)
  }
  const kept = taken.move()
  return {
    fence: source === undefined ? leases[0]?.fence : undefined,
    lost: leases.map(({ lost }) => lost),
    [Symbol.asyncDispose]: async () => kept.disposeAsync(),
  }
}

/**
 * Returns how a phase ended if it has passed already. Throws {@link Exit} if it must not run, because a newer
 * change has taken the place of this one, or because the environment has another change.
 */
async function outcomeBefore(
  { phase, view, options }: PhaseToRun,
  { depot }: Connected,
  change: Change,
): Promise<Outcome | undefined> {
  if (view !== undefined) {
    if (change.superseded_by !== null)
      throw supersededBy(change, await depot.getChange({ id: change.superseded_by }))
    if (phase !== 'provision' && !change.delivered.includes(view))
      throw new Exit(
        EXIT.refused,
        `${view} does not have change ${change.change}, so ${phase} would be about something else: run hart-depot pipeline provision --view ${view} first`,
      )
  }
  const last = passedReport(change, phase, view)
  if (last === undefined || options.again === true || phase === 'publish' || options.wait !== undefined)
    return undefined
  return {
    status: 'passed',
    message: `since ${last.at}${last.job === null ? '' : `, in ${last.job}`}; --again runs it again`,
  }
}

/** Runs the phase itself, without reports. */
async function run(
  { phase, view, source, options }: PhaseToRun,
  connected: Connected,
  context: PhaseContext,
  change: Change,
): Promise<Outcome> {
  if (phase === 'publish') {
    if (source === undefined) throw new Error('publish needs a source')
    return publish(context, connected, { change, source, options })
  }
  if (view === undefined) return runLocally(context, phase as LocalPhase, undefined)
  if (phase === 'provision') return provision(context, connected, { change, view, options })
  const outcome = await runLocally(context, phase, view)
  if (outcome.status !== 'passed') return outcome
  const { delivered } = await connected.depot.getChange({ id: change.id })
  return delivered.includes(view)
    ? outcome
    : {
        status: 'failed',
        message: `${view} got another change while ${phase} ran, so the result says nothing`,
      }
}

export type LocalPhase = Exclude<Phase, 'publish' | 'provision'>

/** Runs a phase that needs no depot. */
export async function runLocally(
  context: PhaseContext,
  phase: LocalPhase,
  view: string | undefined,
): Promise<Outcome> {
  if (phase === 'lint') return lint(context)
  return phase === 'syntax' ? syntax(context) : runOwnCommand(context, phase, view)
}

/** Returns the variables for the commands of a phase. */
function environmentOf(
  { phase, view }: PhaseToRun,
  { depot, target }: Connected,
  change: Change,
): PhaseContext['env'] {
  return {
    ...changeVariables(change),
    HART_DEPOT_PHASE: phase,
    HART_DEPOT_URL: depot.url,
    HART_DEPOT_TOKEN: target.token,
    HART_DEPOT_TOKEN_FILE: undefined,
    ...(view !== undefined && {
      HART_DEPOT_VIEW: view,
      HAB_BLDR_URL: `${depot.url}/v1/depot/views/${encodeURIComponent(view)}`,
      HAB_AUTH_TOKEN: target.token, // the one in the environment may be that of another depot
    }),
  }
}

async function finish(
  { io, phase, view, options }: PhaseToRun,
  change: Change,
  outcome: Outcome,
): Promise<PhaseResult> {
  if (options.envFile !== undefined && outcome.status === 'passed')
    await writeEnvFile(pathOf(io, options.envFile), changeVariables(change))
  return { phase, view: view ?? null, change, outcome }
}
