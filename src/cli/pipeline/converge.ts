import { readFile } from 'node:fs/promises'
import type { Change } from '../../client/operations.ts'
import { packageOf } from '../../package/ident.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { readFleet } from '../fleet/gateway.ts'
import type { Gateway } from '../fleet/hosts.ts'
import { compareFleet } from '../fleet/report.ts'
import { pathOf } from '../io.ts'
import type { Io } from '../io.ts'
import { periodMs } from '../remote/arguments.ts'
import { readHosts } from '../remote/following/fleet.ts'
import { checkToken } from '../remote/accounts/profiles.ts'
import type { Project } from './config.ts'
import { presentReleases } from './environment.ts'
import { describeEnd } from './outcome.ts'
import type { Outcome, PhaseContext } from './outcome.ts'
import { MAX_TIMER_MS, runCommand, shellWords } from './run-command.ts'

/** The options that let a phase wait until an environment runs a change. */
export interface WaitOptions {
  /** The command to ask. With true, the `hosts` are asked, or else the command of the configuration. */
  readonly wait?: string | true | undefined
  /** A file with the hosts of the Supervisors to ask, like that of `hart-depot fleet`. */
  readonly hosts?: string | undefined
  /** The file with the token of their gateways. */
  readonly tokenFile?: string | undefined
  readonly timeout?: string | undefined
}

/** What to ask whether an environment runs a change, and for how long. */
export interface Convergence {
  readonly source:
    | { readonly kind: 'command'; readonly command: string }
    | { readonly kind: 'fleet'; readonly gateways: readonly Gateway[]; readonly token: string | undefined }
  readonly timeoutMs: number
}

/**
 * Returns what `--wait` asks, or `undefined` without `--wait`. Throws a UsageError if neither the options nor
 * `.hart-depot.yml` name what to ask and a timeout. The depot cannot be asked: it does not know what
 * Supervisors run.
 */
export async function convergenceOf(
  io: Io,
  { config }: Project,
  { wait, hosts, tokenFile, timeout = config.provision.timeout }: WaitOptions,
): Promise<Convergence | undefined> {
  if (wait === undefined) {
    if (hosts !== undefined) throw new UsageError('--hosts needs --wait')
    return undefined
  }
  const command = typeof wait === 'string' ? wait : hosts === undefined ? config.provision.wait : undefined
  if ((command === undefined) === (hosts === undefined))
    throw new UsageError(
      command === undefined
        ? '--wait must ask something that knows what runs: Supervisors with --hosts FILE, or a command, as --wait COMMAND or as provision.wait in .hart-depot.yml'
        : '--wait asks a command or the Supervisors of --hosts: give only one of them',
    )
  if (timeout === undefined) throw new UsageError('--wait needs --timeout, for example --timeout 15m')
  return {
    source:
      hosts === undefined
        ? { kind: 'command', command: command ?? '' }
        : { kind: 'fleet', gateways: await readHosts(io, hosts), token: await readToken(io, tokenFile) },
    timeoutMs: periodMs(timeout, '--timeout'),
  }
}

const ASK_EVERY_MS = 5_000

/** Asks until the environment runs the change. If it does not, returns the failure of the phase. */
export async function converge(
  context: PhaseContext,
  { source, timeoutMs }: Convergence,
  { change, view }: { change: Change; view: string },
): Promise<Outcome | undefined> {
  const { io, out, signal } = context
  const timer = AbortSignal.timeout(Math.min(timeoutMs, MAX_TIMER_MS))
  const both = AbortSignal.any([signal, timer])
  const ask = async () =>
    source.kind === 'command'
      ? askCommand({ ...context, signal: both }, source.command)
      : askFleet(source, { change, view, signal }) // has time limits of its own, and may end a bit late
  let said = ''
  for (;;) {
    const answer = await ask()
    if ('failure' in answer) return { status: 'failed', message: answer.failure }
    if (answer.doesRun) return undefined
    signal.throwIfAborted()
    if (timer.aborted)
      return {
        status: 'failed',
        message: `${view} does not run the change after ${timeoutMs / 1_000} seconds: ${answer.sentence}`,
        exitCode: EXIT.timedOut,
      }
    if (answer.sentence !== said) out.note(`Waiting: ${answer.sentence}`)
    said = answer.sentence
    await io.pause(ASK_EVERY_MS, both).catch(() => undefined)
  }
}

type Answer = { readonly doesRun: boolean; readonly sentence: string } | { readonly failure: string }

/** The shell's exit code for a command that it cannot run (POSIX, 2.8.2). */
const MIN_NOT_RUN = 126

async function askCommand({ io, project, signal, env }: PhaseContext, command: string): Promise<Answer> {
  const shown = JSON.stringify(command)
  const end = await runCommand(io, { words: shellWords(command), folder: project.folder, env, signal })
  const sentence = describeEnd(end, shown, project.folder)
  if (sentence === undefined) return { doesRun: true, sentence: '' }
  const isNo = end.how === 'stopped' || (end.how === 'exited' && end.code < MIN_NOT_RUN)
  return isNo ? { doesRun: false, sentence } : { failure: sentence }
}

const GATEWAY_TIMEOUT_MS = 5_000
const PARALLEL_GATEWAYS = 50

/**
 * Asks the Supervisors whether the services that follow the view run the change and are up. Only services of
 * a package of the change count. There must be at least one, and every gateway must answer.
 */
async function askFleet(
  { gateways, token }: { gateways: readonly Gateway[]; token: string | undefined },
  { change, view, signal }: { change: Change; view: string; signal: AbortSignal },
): Promise<Answer> {
  const idents = new Set(presentReleases(change).map(({ release }) => release))
  const packages = new Set([...idents].map(packageOf))
  const readings = await readFleet(gateways, {
    token,
    timeoutMs: GATEWAY_TIMEOUT_MS,
    parallel: PARALLEL_GATEWAYS,
    signal,
  })
  const { services, summary } = compareFleet(readings, { view, latest: new Map() })
  const concerned = services.filter(({ ident }) => packages.has(packageOf(ident)))
  const running = concerned.filter(({ ident, is_up: isUp }) => idents.has(ident) && isUp)
  const unread =
    summary.unread === 0 ? '' : `; ${summary.unread} of ${summary.gateways} gateways cannot be read`
  return {
    doesRun: summary.unread === 0 && concerned.length > 0 && running.length === concerned.length,
    sentence: `${running.length} of ${concerned.length} services that follow ${view} run it and are up${unread}`,
  }
}

async function readToken(io: Io, file: string | undefined): Promise<string | undefined> {
  return file === undefined ? undefined : checkToken(await readFile(pathOf(io, file), 'utf8'), file)
}
