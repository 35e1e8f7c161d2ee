import { RequestRefused } from '../../client/errors.ts'
import type { Change, Promotion } from '../../client/operations.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { periodMs } from '../remote/arguments.ts'
import { changesAnything, decisionOf } from '../remote/change-view.ts'
import type { Connected } from '../remote/connect.ts'
import { planText, promotionText } from '../remote/change-text.ts'
import type { Project } from './config.ts'
import { presentReleases } from './environment.ts'
import { describeEnd } from './outcome.ts'
import type { Outcome, PhaseContext } from './outcome.ts'
import { passedReport } from './progress.ts'
import { runCommand, shellWords } from './run-command.ts'
import { watchSuperseding } from './superseding.ts'

export interface ProvisionOptions {
  /** Wait until this command, or that of the configuration, says that the environment runs the change. */
  readonly wait?: string | true | undefined
  readonly timeout?: string | undefined
  readonly override?: string | undefined
  /** Promotes a change again that the view has had. */
  readonly again?: boolean | undefined
}

/** How to find out whether an environment runs a change, and for how long to try. */
export interface Convergence {
  readonly command: string
  readonly timeoutMs: number
}

/**
 * Reads what `--wait` waits for. Throws a UsageError without a command or a time: that supervisors were told
 * of a change does not mean that they run it.
 */
export function convergenceOf({ config }: Project, options: ProvisionOptions): Convergence | undefined {
  if (options.wait === undefined) return undefined
  const command = options.wait === true ? config.provision.wait : options.wait
  if (command === undefined)
    throw new UsageError(
      '--wait needs a command that succeeds once the environment runs the change: give one, or write it after provision.wait in .hart-depot.yml',
    )
  const timeout = options.timeout ?? config.provision.timeout
  if (timeout === undefined) throw new UsageError('--wait needs --timeout, for example --timeout 15m')
  return { command, timeoutMs: periodMs(timeout, '--timeout') }
}

/** Promotes what was published for a change into a view, and waits until its supervisors run it if wanted. */
export async function provision(
  context: PhaseContext,
  connected: Connected,
  { change, view, options }: { change: Change; view: string; options: ProvisionOptions },
): Promise<Outcome> {
  const { config } = context.project
  const convergence = convergenceOf(context.project, options)
  const targets = [...new Set([...change.targets, ...(config.targets ?? [])])]
  const published = presentReleases(change)
  const missing = targets.filter((target) => published.every((release) => release.target !== target))
  if (published.length === 0 || missing.length > 0)
    return {
      status: 'failed',
      message: `nothing was published${missing.length === 0 ? '' : ` for ${missing.join(' and ')}`}, so nothing was promoted: run hart-depot pipeline publish first`,
    }
  if (
    passedReport(change, 'provision', view) !== undefined &&
    !change.delivered.includes(view) &&
    options.again !== true
  )
    return {
      status: 'failed',
      message: `${view} had this change, and has another one by now; --again promotes this one again`,
    }
  const promotion = await promote(connected, {
    change,
    view,
    isWithDeps: config.provision.with_deps,
    options,
  })
  if ('blocked' in promotion) return { status: 'failed', message: promotion.blocked, exitCode: EXIT.refused }
  const passed = {
    status: 'passed',
    message: promotion.done,
    more: { promotion: promotion.promotion },
  } as const
  if (convergence === undefined) return passed
  await using superseding = watchSuperseding(connected, change)
  const signal = AbortSignal.any([context.signal, superseding.signal])
  const failure = await converge({ ...context, signal }, convergence)
  return failure ?? { ...passed, message: `${promotion.done}, and runs there` }
}

/** Another pipeline may change the view between the plan and its application. */
const MAX_ATTEMPTS = 10

async function promote(
  { depot, out }: Connected,
  {
    change,
    view,
    isWithDeps,
    options,
  }: { change: Change; view: string; isWithDeps: boolean; options: ProvisionOptions },
): Promise<{ blocked: string } | { done: string; promotion: Promotion | null }> {
  const releases = presentReleases(change).map(({ release, target }) => ({ ident: release, target }))
  const body = {
    act: 'promote',
    releases,
    reason: `change ${change.change} of ${change.project}`,
    ...(isWithDeps && { with_deps: true }),
  } as const
  const names = releases.map(({ ident }) => ident).join(', ')
  for (let attempt = 1; ; attempt += 1) {
    const plan = await depot.createPlan({ view, body })
    if (!changesAnything(plan)) return { done: `${view} has ${names}`, promotion: null }
    if (plan.blocked.length > 0 && options.override === undefined) {
      out.note(planText(out, plan))
      const rules = plan.blocked.map(({ rule, detail }) => `${rule}: ${detail}`).join('; ')
      const advice = plan.blocked.every(({ rule }) => rule === 'approval')
        ? `. A second person must approve it: hart-depot propose promote ${view} ${releases.map(({ ident }) => ident).join(' ')}`
        : ''
      return { blocked: `${view} refuses ${names} (${rules})${advice}` }
    }
    try {
      const promotion = await depot.applyPlan({ plan: plan.plan, body: decisionOf(options) })
      out.note(promotionText(out, promotion))
      return { done: `${view} has ${names}`, promotion }
    } catch (error) {
      if (!(error instanceof RequestRefused) || error.code !== 'stale_plan' || attempt === MAX_ATTEMPTS)
        throw error
    }
  }
}

const ASK_EVERY_MS = 5_000
/** The shell's exit code for a command that it cannot run (POSIX, 2.8.2). */
const MIN_NOT_RUN = 126

/** Repeats the command until it succeeds. Returns how the phase ends if it does not. */
async function converge(
  { io, out, project, signal, env }: PhaseContext,
  { command, timeoutMs }: Convergence,
): Promise<Outcome | undefined> {
  const timer = AbortSignal.timeout(timeoutMs)
  const both = AbortSignal.any([signal, timer])
  out.note(`Waiting until this succeeds: ${command}`)
  for (;;) {
    const end = await runCommand(io, {
      words: shellWords(command),
      folder: project.folder,
      env,
      signal: both,
    })
    if (end.how === 'exited' && end.code === 0) return undefined
    signal.throwIfAborted()
    if (timer.aborted)
      return {
        status: 'failed',
        message: `the environment does not run it yet after ${timeoutMs / 1_000} seconds: ${JSON.stringify(command)} did not succeed`,
        exitCode: EXIT.timedOut,
      }
    if (end.how !== 'exited' || end.code >= MIN_NOT_RUN)
      return {
        status: 'failed',
        message: describeEnd(end, JSON.stringify(command), project.folder) ?? command,
      }
    await io.pause(ASK_EVERY_MS, both).catch(() => undefined) // the next turn tells why
  }
}
