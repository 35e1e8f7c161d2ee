import type { DepotClient } from '../../../client/client.ts'
import { RequestRefused } from '../../../client/errors.ts'
import type { Upstream } from '../../../client/operations.ts'
import { printable } from '../../../text/columns.ts'
import { counted } from '../../../text/counted.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit } from '../../exit-codes.ts'
import type { Output } from '../../output.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'

const LOOK_EVERY_MS = 1_000
/** The most releases that the text of a refresh lists for a view. */
const MAX_LISTED = 20

export const upstreamStatus: Define = (command, io) =>
  remoteOptions(command)
    .addHelpText(
      'after',
      examples([
        ['upstream status', 'show how up to date the channels of upstream are'],
        ['upstream status --json', 'print it as JSON'],
      ]),
    )
    .action(async (options) => {
      const { depot, out } = connect(io, options)
      show(out, await depot.getUpstream())
    })

export const upstreamRefresh: Define = (command, io) =>
  remoteOptions(command)
    .argument('[channels...]', 'channels of upstream origins, such as core/stable; all by default')
    .option('--accept-removals', 'apply a refresh that is held because it removes many releases')
    .option('--no-wait', 'do not wait until the refresh has ended')
    .addHelpText(
      'after',
      examples([
        ['upstream refresh', 'refresh all channels, and show what came of it'],
        ['upstream refresh core/stable --accept-removals', 'let a held refresh remove its releases'],
      ]),
    )
    .action(async (channels, { acceptRemovals = false, wait, ...options }) => {
      const { depot, out } = connectToChange(io, options)
      const before = await readRevisions(depot, await depot.getUpstream())
      let upstream = await depot.refreshUpstream({
        body: { ...(channels.length > 0 && { channels }), accept_removals: acceptRemovals },
      })
      const isChosen = ({ origin, channel }: Upstream['channels'][number]) =>
        channels.length === 0 || channels.includes(`${origin}/${channel}`)
      if (!wait) return show(out, upstream)
      while (upstream.channels.some((channel) => channel.refreshing && isChosen(channel))) {
        await io.pause(LOOK_EVERY_MS)
        io.signal.throwIfAborted()
        upstream = await depot.getUpstream()
      }
      show(out, upstream, await readRefreshes(depot, before))
      const faulty = upstream.channels.filter((channel) => channel.fault !== null && isChosen(channel))
      if (faulty.length === 0) return
      const isHeld = faulty.every(({ held_removals: removals }) => removals > 0)
      throw new Exit(
        isHeld ? EXIT.refused : EXIT.failed,
        `${faulty.length} of the channels could not be refreshed completely`,
      )
    })

/** Reads the revisions of the views that are refreshed; 0 for those that do not exist yet. */
async function readRevisions(depot: DepotClient, { channels }: Upstream): Promise<Map<string, number>> {
  const revisions = new Map<string, number>()
  for (const { channel } of channels)
    if (!revisions.has(channel)) revisions.set(channel, await revisionOf(depot, channel))
  return revisions
}

async function revisionOf(depot: DepotClient, view: string): Promise<number> {
  try {
    return (await depot.getView({ view })).revision
  } catch (error) {
    if (error instanceof RequestRefused && error.status === 404) return 0
    throw error
  }
}

/** Describes, in lines, what joined and left views by refreshes since these revisions. */
async function readRefreshes(depot: DepotClient, before: ReadonlyMap<string, number>): Promise<string[]> {
  const lines: string[] = []
  for (const [view, known] of before) {
    if ((await revisionOf(depot, view)) === known) continue
    const moves: string[] = []
    let joined = 0
    let left = 0
    for await (const revision of depot.each('listRevisions', { view })) {
      if (revision.revision <= known) break
      if (revision.cause !== 'refresh') continue
      joined += revision.joined.length
      left += revision.left.length
      moves.push(
        ...revision.joined.map(({ ident, target }) => `+ ${ident} ${target}`),
        ...revision.left.map(({ ident, target }) => `- ${ident} ${target}`),
      )
    }
    if (moves.length === 0) continue
    lines.push(`${view}: ${counted(joined, 'release')} joined, ${left} left.`, ...moves.slice(0, MAX_LISTED))
    if (moves.length > MAX_LISTED)
      lines.push(`hart-depot diff ${view}@${known} ${view} shows what else is latest now.`)
  }
  return lines
}

function show(out: Output, upstream: Upstream, refreshes: readonly string[] = []): void {
  const { url, channels } = upstream
  out.show(upstream, {
    whole: () =>
      url === null
        ? 'The depot has no upstream.'
        : [
            `Upstream is ${printable(url)}.`,
            out.table(
              ['CHANNEL', 'REFRESHED', 'FETCHED', 'STATE'],
              channels.map(({ origin, channel, adopted, refreshed_at: at, refreshing, fault, ...counts }) => [
                `${origin}/${channel}`,
                at ?? 'never',
                `${counts.fetched} of ${counts.releases}`,
                !adopted ? 'not adopted' : refreshing ? 'refreshing' : fault === null ? 'ok' : 'see below',
              ]),
            ),
            ...channels.flatMap(({ origin, channel, fault }) =>
              fault === null ? [] : [`${origin}/${channel}: ${printable(fault)}`],
            ),
            ...refreshes,
          ].join('\n'),
    brief: () => channels.map(({ origin, channel }) => `${origin}/${channel}`),
  })
}
