import type { DepotClient } from '../../../client/client.ts'
import { RequestRefused } from '../../../client/errors.ts'
import type { GetLatestInput, Latest } from '../../../client/operations.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit, UsageError } from '../../exit-codes.ts'
import type { Io } from '../../io.ts'
import { MAX_TIMER_MS } from '../../pipeline/run-command.ts'
import { periodMs, splitIdentsAndView } from '../arguments.ts'
import { connect, remoteOptions } from '../connect.ts'
import type { Connected } from '../connect.ts'

type Target = NonNullable<GetLatestInput['target']>

export const wait: Define = (command, io) =>
  remoteOptions(command)
    .argument('<ident-and-view...>', 'an ident, full or only its beginning, and the view, in either order')
    .option('--timeout <period>', 'how long to wait; with 0, look only once', '10m')
    .option('--target <target>', 'the target of the release; the default is x86_64-linux')
    .option(
      '--settled [period]',
      'wait also until latest has not moved for a period; the default is settle_seconds of the view, or 2m',
    )
    .addHelpText(
      'after',
      examples([
        ['wait acme/app/1.2.0/20260101120000 delivered', 'wait until a release is latest in a view'],
        [
          'wait acme/app/1.2.0 delivered --timeout 1h',
          'wait for any release of a version; exit with 124 after an hour',
        ],
        ['wait acme/app delivered --settled', 'wait until a package may move again in a view'],
      ]),
    )
    .action(async (words, { timeout, target, settled, ...options }) => {
      const { view, idents } = splitIdentsAndView(words)
      const [ident] = idents
      if (ident === undefined || idents.length > 1)
        throw new UsageError('name one ident, for example acme/app/1.2.0')
      const timeoutMs = periodMs(timeout, '--timeout')
      const connected = connect(io, options)
      const { depot, out } = connected
      const sought = {
        view,
        ident,
        ...(target !== undefined && { target: target as Target }),
        ...(settled !== undefined && { settledMs: await settlingMs(depot, view, settled) }),
      }
      const timer = timeoutMs === 0 ? undefined : AbortSignal.timeout(Math.min(timeoutMs, MAX_TIMER_MS))
      const found = await search(io, connected, sought, timer && AbortSignal.any([io.signal, timer])).catch(
        (error: unknown) => {
          if (timer?.aborted === true && !io.signal.aborted && !(error instanceof RequestRefused))
            return undefined
          throw error
        },
      )
      if (found === undefined) {
        const latest = await readLatest(depot, sought)
        throw new Exit(
          EXIT.timedOut,
          `${ident} is not latest in ${view}${timeoutMs === 0 ? '' : ` after ${timeout}`}: ${whyNot(latest, ident)}`,
        )
      }
      out.show(found, { whole: () => `${found.ident} is latest in ${view}.`, brief: () => [found.ident] })
    })

/** The release that a command waits for. */
interface Sought {
  readonly view: string
  /** A full ident, or the beginning of one. */
  readonly ident: string
  readonly target?: Target
  /** How long `latest` must not have moved. */
  readonly settledMs?: number
}

/** The usual time in which Supervisors follow a move: see SETTLING_MS of the depot. */
const USUAL_SETTLING_MS = 120_000

/** Returns how long `latest` must not have moved: the given period, or that of the view. */
async function settlingMs(depot: DepotClient, view: string, settled: string | true): Promise<number> {
  if (settled !== true) return periodMs(settled, '--settled')
  const { settle_seconds: seconds } = await depot.getGates({ view })
  return seconds === null ? USUAL_SETTLING_MS : seconds * 1_000
}

/** Explains what is latest instead, or why the release does not count yet. */
function whyNot(latest: Latest | undefined, ident: string): string {
  if (latest === undefined) return 'the view has no release of the package'
  return isSought(latest, ident) ? `${latest.ident} is, but it moved a short time ago` : `${latest.ident} is`
}

/**
 * Resolves when the ident is latest in the view. Without a signal, resolves at once, with `undefined` if it
 * is not.
 */
async function search(
  io: Io,
  { depot, out }: Connected,
  sought: Sought,
  signal: AbortSignal | undefined,
): Promise<Latest | undefined> {
  const { view, ident } = sought
  const options = signal === undefined ? {} : { signal }
  // Changes after this position are not missed while the view is read.
  const { position } = await depot.getLedgerHead(options)
  await depot.getView({ view }, options)
  const look = async () => {
    const latest = await readLatest(depot, sought, signal)
    return latest !== undefined && isSought(latest, ident)
      ? settle(io, depot, { sought, latest, signal })
      : undefined
  }
  const now = await look()
  if (now !== undefined || signal === undefined) return now
  const changes = depot.follow({
    view,
    kind: 'promotion',
    after: position,
    signal,
    onTrouble: ({ message }) => out.note(`${message}; waiting`),
  })
  for await (const _ of changes) {
    const later = await look()
    if (later !== undefined) return later
  }
  return undefined
}

/** Reports whether `latest` is the release, or begins with the parts of its ident that are given. */
function isSought(latest: Latest, ident: string): boolean {
  return `${latest.ident}/`.startsWith(`${ident}/`)
}

/**
 * Resolves with the release when it has been latest for the settling time, or with `undefined` if `latest`
 * moves in between. Without a signal, resolves at once, with `undefined` if the time is not over.
 */
async function settle(
  io: Io,
  depot: DepotClient,
  { sought, latest, signal }: { sought: Sought; latest: Latest; signal: AbortSignal | undefined },
): Promise<Latest | undefined> {
  const { settledMs } = sought
  if (settledMs === undefined) return latest
  const [origin = '', name = ''] = latest.package.split('/')
  const holders = await depot.listHolders(
    { view: sought.view, origin, name, target: latest.target, limit: 1 },
    signal === undefined ? {} : { signal },
  )
  const [newest] = holders.holders
  const restMs = newest === undefined ? 0 : Date.parse(newest.since) + settledMs - io.now()
  if (restMs <= 0) return latest
  if (signal === undefined) return undefined
  await io.pause(Math.min(restMs, settledMs), signal) // the clock of the depot may be ahead
  const later = await readLatest(depot, sought, signal)
  return later?.revision === latest.revision ? latest : undefined
}

async function readLatest(depot: DepotClient, { view, ident, target }: Sought, signal?: AbortSignal) {
  const [origin = '', name = ''] = ident.split('/')
  try {
    return await depot.getLatest(
      { view, origin, name, ...(target !== undefined && { target }) },
      signal === undefined ? {} : { signal },
    )
  } catch (error) {
    if (error instanceof RequestRefused && error.status === 404) return undefined
    throw error
  }
}
