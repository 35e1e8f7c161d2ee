import { EdgeFolder } from '../../../edge/edge-folder.ts'
import { ReadingClosed, followDepot } from '../../../edge/follow-depot.ts'
import type { EdgeEvent } from '../../../edge/follow-depot.ts'
import { printable } from '../../../text/columns.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit } from '../../exit-codes.ts'
import { pathOf } from '../../io.ts'
import { Output } from '../../output.ts'
import { periodMs } from '../../remote/arguments.ts'
import { makeClient, remoteOptions } from '../../remote/connect.ts'
import { findTarget } from '../../remote/accounts/profiles.ts'

export const materialize: Define = (command, io) =>
  remoteOptions(command)
    .requiredOption('--to <folder>', 'the folder for the files')
    .option('--follow', 'keep them up to date until SIGTERM or SIGINT')
    .option('--max-stale <period>', 'take the files away when no depot has confirmed them for this long')
    .option('--metrics <file>', 'write the metrics to this file, too')
    .addHelpText(
      'after',
      examples([
        [
          'materialize --to /var/lib/hart-depot-edge --follow',
          'write all public answers for nginx, and keep them up to date',
        ],
        [
          'materialize --to /run/hart-depot-edge --follow --max-stale 1h --url http://10.0.0.1:9636',
          'let nginx ask the depot again once it has been away for an hour',
        ],
      ]),
    )
    .action(async ({ to, follow, maxStale, metrics, ...options }) => {
      const out = new Output(io, options)
      const maxStaleMs = maxStale === undefined ? undefined : periodMs(maxStale, '--max-stale')
      // The files are for everybody, so they must hold what everybody may read.
      const target = { ...findTarget(io, options), token: undefined }
      const depot = makeClient(io, target, {
        retries: 1,
        ...(maxStaleMs !== undefined && { idleMs: Math.max(1_000, maxStaleMs / 2) }),
      })
      const folder = EdgeFolder.open(pathOf(io, to))
      try {
        await followDepot({
          depot,
          folder,
          isFollowing: follow === true,
          maxStaleMs,
          metricsFile: metrics === undefined ? undefined : pathOf(io, metrics),
          report: (event) => {
            if (options.json === true)
              io.stdout.write(`${JSON.stringify({ at: new Date(io.now()).toISOString(), ...event })}\n`)
            else out.note(printable(sentenceOf(event)))
          },
          now: () => io.now(),
          pause: async (ms, signal) => io.pause(ms, signal),
          signal: io.signal,
        })
      } catch (error) {
        if (error instanceof ReadingClosed) throw new Exit(EXIT.noRights, error.message)
        throw error
      } finally {
        folder.close()
        depot.close()
      }
    })

function sentenceOf(event: EdgeEvent): string {
  switch (event.event) {
    case 'current':
      return `The files are current at ${event.position}.`
    case 'writing':
    case 'trouble':
      return `${event.detail}.`
    case 'withdrawn':
      return `The files were taken away: ${event.detail}.`
    default:
      return event satisfies never
  }
}
