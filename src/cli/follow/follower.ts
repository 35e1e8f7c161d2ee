import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { DepotClient } from '../../client/client.ts'
import { DownloadDamaged, NotADepot, RequestRefused, Unreachable } from '../../client/errors.ts'
import { hartFileName, parseIdent } from '../../package/ident.ts'
import type { Target } from '../../package/target.ts'
import { EXIT, Exit } from '../exit-codes.ts'
import { pathOf } from '../io.ts'
import type { Io } from '../io.ts'
import { runCommand } from '../pipeline/run-command.ts'
import type { CommandEnd } from '../pipeline/run-command.ts'
import { ViewChanges } from './view-changes.ts'
import { fileInUse, filesToKeep } from './state.ts'
import type { StateFolder } from './state.ts'

export interface FollowSettings {
  readonly depot: DepotClient
  readonly view: string
  /** `origin/name`. */
  readonly package: string
  readonly target: Target
  /** The program that updates the machine. It gets the ident and the path of the package. */
  readonly hook: string
  readonly hookTimeoutMs: number
  /** How long this machine waits after a move of `latest` before it follows. */
  readonly delayMs: number
  readonly folder: StateFolder
  /**
   * Returns the text of the signer's public key, if this machine trusts it. Throws an {@link
   * UntrustedSigner}.
   */
  readonly findKey: (signer: string) => Promise<string>
  /** Whether to end after one update, or at once if none is needed, instead of following until the signal. */
  readonly isOnce: boolean
  /** Called with each event. */
  readonly report: (event: FollowEvent) => void
}

export type FollowEvent =
  | { readonly event: 'nothing'; readonly detail: string }
  | { readonly event: 'waiting'; readonly ident: string; readonly until: string }
  | { readonly event: 'updating'; readonly ident: string; readonly file: string }
  | { readonly event: 'running'; readonly ident: string; readonly file: string }
  | { readonly event: 'failed'; readonly ident: string; readonly detail: string }
  | { readonly event: 'trouble'; readonly detail: string }

/** The machine does not trust the key of the signer. */
export class UntrustedSigner extends Exit {
  constructor(message: string) {
    super(EXIT.failed, message)
  }
}

class HookFailed extends Exit {
  constructor(message: string) {
    super(EXIT.failed, message)
  }
}

/** The release was deleted after `latest` had answered with it. */
class ReleaseGone extends Exit {
  constructor(cause: RequestRefused) {
    super(EXIT.notFound, cause.message)
  }
}

/** The release that `latest` of the view answers. */
interface Wanted {
  readonly ident: string
  readonly checksum: string
  /** When it became the latest, epoch milliseconds. */
  readonly since: number
}

const FIRST_PAUSE_MS = 10_000
const MAX_PAUSE_MS = 10 * 60_000

/**
 * Runs the hook for each release that becomes the latest of a package in a view, also for lower ones. After a
 * failure, tries again with growing pauses. Throws the reason of the signal, and errors that a later attempt
 * cannot cure. With `isOnce`, resolves when the machine is up to date, and throws every error.
 */
export async function follow(io: Io, settings: FollowSettings): Promise<void> {
  const { depot, view, isOnce, report } = settings
  const changes = new ViewChanges(io, (detail) => report({ event: 'trouble', detail }))
  if (!isOnce) void changes.follow(depot, view)
  try {
    await followChanges(io, settings, changes)
  } finally {
    changes.close()
  }
}

async function followChanges(io: Io, settings: FollowSettings, changes: ViewChanges): Promise<void> {
  const { isOnce, report } = settings
  for (let failures = 0; ;) {
    const { count } = changes
    try {
      const pauseMs = await bringUpToDate(io, settings)
      failures = 0
      if (isOnce) return
      await changes.wait(count, pauseMs)
    } catch (error) {
      if (io.signal.aborted) throw io.signal.reason
      if (isOnce || !canBeCured(error)) throw error
      report({ event: 'trouble', detail: `${(error as Error).message}; trying again later` })
      await changes.wait(count, Math.min(FIRST_PAUSE_MS * 2 ** failures, MAX_PAUSE_MS))
      failures += 1
    }
  }
}

/**
 * Runs the hook if another release is the latest than the one that runs. Returns after how many milliseconds
 * to look again, or `undefined` if nothing is to be done until the view changes.
 */
async function bringUpToDate(io: Io, settings: FollowSettings): Promise<number | undefined> {
  const { folder, delayMs, isOnce, report } = settings
  const wanted = await findWanted(io, settings)
  const { state } = folder
  if (wanted === undefined) {
    report({ event: 'nothing', detail: `${settings.view} has no release of ${settings.package}` })
    return undefined
  }
  if (state?.status === 'running' && state.ident === wanted.ident && state.checksum === wanted.checksum)
    return undefined
  // The clock of the depot may be ahead of ours, so the wait is limited.
  const restMs = Math.min(wanted.since + delayMs - io.now(), delayMs)
  if (restMs > 0 && !isOnce) {
    report({ event: 'waiting', ident: wanted.ident, until: new Date(io.now() + restMs).toISOString() })
    return restMs
  }
  await update(io, settings, wanted)
  return 0 // the view may have moved meanwhile
}

/**
 * Finds the latest release. Returns `undefined` if the view lacks the package. Throws if there is no such
 * view.
 */
async function findWanted(io: Io, settings: FollowSettings): Promise<Wanted | undefined> {
  const { depot, view, target } = settings
  const [origin = '', name = ''] = settings.package.split('/')
  const line = { view, origin, name, target }
  await depot.getView({ view }, { signal: io.signal })
  try {
    const { ident, checksum } = await depot.getLatest(line, { signal: io.signal })
    const { holders } = await depot.listHolders({ ...line, limit: 1 }, { signal: io.signal })
    return { ident, checksum, since: Date.parse(holders[0]?.since ?? '') || 0 }
  } catch (error) {
    if (error instanceof RequestRefused && error.status === 404) return undefined
    throw error
  }
}

async function update(io: Io, settings: FollowSettings, { ident, checksum }: Wanted): Promise<void> {
  const { folder, target, report } = settings
  const before = folder.state
  const file = join(folder.path, hartFileName(parseIdent(ident), target))
  const previousFile = fileInUse(before)
  const isRetry = before?.ident === ident && before.checksum === checksum && before.status !== 'running'
  if (!isRetry || !(await exists(file))) await download(io, settings, { ident, file })
  const given = { ident, target, checksum, file, previousFile, attempts: isRetry ? before.attempts + 1 : 1 }
  const enter = async (status: 'updating' | 'running' | 'failed') =>
    folder.write({ ...given, status, since: new Date(io.now()).toISOString() })
  await enter('updating')
  report({ event: 'updating', ident, file })
  const end = await runHook(io, settings, { ident, file, previous: before?.ident })
  io.signal.throwIfAborted() // the status stays `updating`, so that the hook runs again at the next start
  const fault = faultOf(end, settings)
  await enter(fault === undefined ? 'running' : 'failed')
  if (fault !== undefined) {
    report({ event: 'failed', ident, detail: fault })
    throw new HookFailed(`the hook failed for ${ident}: ${fault}`)
  }
  report({ event: 'running', ident, file })
  await folder.removeOthers([file, previousFile])
}

async function download(
  io: Io,
  { depot, target, findKey, folder }: FollowSettings,
  { ident, file }: { ident: string; file: string },
): Promise<void> {
  const { origin, name, version, release } = parseIdent(ident)
  const named = { origin, name, version, release, target }
  try {
    const { signer } = await depot.getRelease(named, { signal: io.signal })
    const key = await findKey(signer)
    await depot.downloadFile(named, file, { key, signal: io.signal })
  } catch (error) {
    if (error instanceof RequestRefused && error.status === 404) throw new ReleaseGone(error)
    // Unfinished and unneeded packages must not keep the disk full.
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
      await folder.removeOthers(filesToKeep(folder.state))
    throw error
  }
}

async function runHook(
  io: Io,
  { hook, hookTimeoutMs, view, target }: FollowSettings,
  { ident, file, previous }: { ident: string; file: string; previous: string | undefined },
): Promise<CommandEnd> {
  return runCommand(io, {
    words: [hook, ident, file],
    folder: pathOf(io, '.'),
    env: {
      HART_DEPOT_IDENT: ident,
      HART_DEPOT_FILE: file,
      HART_DEPOT_TARGET: target,
      HART_DEPOT_VIEW: view,
      HART_DEPOT_PREVIOUS: previous ?? '',
      HART_DEPOT_TOKEN: undefined, // the hook needs no rights in the depot
    },
    signal: io.signal,
    timeoutMs: hookTimeoutMs,
  })
}

function faultOf(end: CommandEnd, { hook, hookTimeoutMs }: FollowSettings): string | undefined {
  switch (end.how) {
    case 'exited':
      return end.code === 0 ? undefined : `${hook} ended with exit code ${end.code}`
    case 'killed':
      return `${hook} was ended by ${end.signal}`
    case 'timed out':
      return `${hook} took longer than ${hookTimeoutMs / 1_000} s, so it was killed with its children`
    case 'stopped':
      return `${hook} was stopped`
    case 'not found':
      return `${hook} cannot be run: ${end.reason}`
    default:
      return end satisfies never
  }
}

/** Whether a later attempt may succeed without a person: everything but missing rights and wrong names. */
function canBeCured(error: unknown): boolean {
  if (error instanceof RequestRefused) return error.status >= 500 || error.status === 429
  return (
    error instanceof Unreachable ||
    error instanceof NotADepot || //       a proxy that says it is being repaired
    error instanceof DownloadDamaged || // the depot repairs damage when the package is uploaded again
    error instanceof ReleaseGone || //     `latest` of the view has moved
    error instanceof UntrustedSigner || // somebody may add the key
    error instanceof HookFailed ||
    (error as NodeJS.ErrnoException).code !== undefined // the disk, for example
  )
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  )
}
