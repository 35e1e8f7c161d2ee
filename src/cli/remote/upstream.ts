import type { Upstream } from '../../client/operations.ts'
import { printable } from '../../text/columns.ts'
import { examples } from '../command.ts'
import type { Define } from '../command.ts'
import { EXIT, Exit } from '../exit-codes.ts'
import type { Output } from '../output.ts'
import { connect, connectToChange, remoteOptions } from './connect.ts'

const LOOK_EVERY_MS = 1_000

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
      show(out, upstream)
      const faulty = upstream.channels.filter((channel) => channel.fault !== null && isChosen(channel))
      if (faulty.length === 0) return
      const isHeld = faulty.every(({ held_removals: removals }) => removals > 0)
      throw new Exit(
        isHeld ? EXIT.refused : EXIT.failed,
        `${faulty.length} of the channels could not be refreshed completely`,
      )
    })

function show(out: Output, upstream: Upstream): void {
  const { url, channels } = upstream
  out.show(upstream, {
    whole: () =>
      url === null
        ? 'The depot has no upstream.'
        : [
            `Upstream is ${printable(url)}.`,
            out.table(
              ['CHANNEL', 'REFRESHED', 'STATE'],
              channels.map(({ origin, channel, adopted, refreshed_at: at, refreshing, fault }) => [
                `${origin}/${channel}`,
                at ?? 'never',
                !adopted ? 'not adopted' : refreshing ? 'refreshing' : fault === null ? 'ok' : 'see below',
              ]),
            ),
            ...channels.flatMap(({ origin, channel, fault }) =>
              fault === null ? [] : [`${origin}/${channel}: ${printable(fault)}`],
            ),
          ].join('\n'),
    brief: () => channels.map(({ origin, channel }) => `${origin}/${channel}`),
  })
}
