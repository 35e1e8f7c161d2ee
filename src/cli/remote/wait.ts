import type { DepotClient } from '../../client/client.ts'
import { RequestRefused } from '../../client/errors.ts'
import type { GetLatestInput } from '../../client/operations.ts'
import { examples } from '../command.ts'
import type { Define } from '../command.ts'
import { EXIT, Exit } from '../exit-codes.ts'
import { UsageError } from '../subcommand.ts'
import { periodMs, splitWords } from './arguments.ts'
import { connect, remoteOptions } from './connect.ts'
import type { Connected } from './connect.ts'

type Target = NonNullable<GetLatestInput['target']>

export const wait: Define = (command, io) =>
  remoteOptions(command)
    .argument('<ident-and-view...>', 'an ident, full or only its beginning, and the view, in either order')
    .option('--timeout <period>', 'how long to wait; with 0, look only once', '10m')
    .option('--target <target>', 'the target of the release; the default is x86_64-linux')
    .addHelpText(
      'after',
      examples([
        ['wait acme/app/1.2.0/20260101120000 delivered', 'wait until a release is latest in a view'],
        [
          'wait acme/app/1.2.0 delivered --timeout 1h',
          'wait for any release of a version; exit with 124 after an hour',
        ],
      ]),
    )
    .action(async (words, { timeout, target, ...options }) => {
      const { view, idents } = splitWords(words)
      const [ident] = idents
      if (ident === undefined || idents.length > 1)
        throw new UsageError('name one ident, for example acme/app/1.2.0')
      const timeoutMs = periodMs(timeout, '--timeout')
      const connected = connect(io, options)
      const { depot, out } = connected
      const sought = { view, ident, ...(target !== undefined && { target: target as Target }) }
      const timer = timeoutMs === 0 ? undefined : AbortSignal.timeout(timeoutMs)
      const found = await search(connected, sought, timer && AbortSignal.any([io.signal, timer])).catch(
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
          `${ident} is not latest in ${view}${timeoutMs === 0 ? '' : ` after ${timeout}`}: ${latest === undefined ? 'the view has no release of the package' : `${latest.ident} is`}`,
        )
      }
      out.show(found, { whole: () => `${found.ident} is latest in ${view}.`, brief: () => [found.ident] })
    })

interface Sought {
  readonly view: string
  readonly ident: string
  readonly target?: Target
}

/**
 * Resolves when the ident is latest in the view. Without a signal, resolves at once, with `undefined` if it
 * is not.
 */
async function search({ depot, out }: Connected, sought: Sought, signal: AbortSignal | undefined) {
  const { view, ident } = sought
  const options = signal === undefined ? {} : { signal }
  // Changes after this position are not missed while the view is read.
  const { position } = await depot.getLedgerHead(options)
  await depot.getView({ view }, options)
  const look = async () => {
    const latest = await readLatest(depot, sought, signal)
    return latest !== undefined && `${latest.ident}/`.startsWith(`${ident}/`) ? latest : undefined
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
