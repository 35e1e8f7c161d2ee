import type { Mirror } from '../../../client/operations.ts'
import { printable } from '../../../text/columns.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit } from '../../exit-codes.ts'
import type { Output } from '../../output.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'

const LOOK_EVERY_MS = 1_000

export const mirror: Define = (command, io) =>
  remoteOptions(command)
    .option('--dry-run', 'show what would be fetched, with sizes')
    .option('--status', 'show the run in progress, or the last one')
    .option('--no-wait', 'do not wait until the run has ended')
    .addHelpText(
      'after',
      examples([
        ['mirror --dry-run', 'show what is not here and should be, by the settings DEPOT_MIRROR and others'],
        ['mirror', 'refresh the mirrored channels, fetch what is missing, and wait until it is here'],
      ]),
    )
    .action(async ({ dryRun = false, status = false, wait, ...options }) => {
      if (status) {
        const { depot, out } = connect(io, options)
        return show(out, await depot.getMirror())
      }
      const { depot, out } = connectToChange(io, options)
      let state = await depot.runMirror({ body: { dry_run: dryRun } })
      if (dryRun || !wait) return show(out, state)
      while (state.status.running) {
        await io.pause(LOOK_EVERY_MS)
        io.signal.throwIfAborted()
        state = await depot.getMirror()
      }
      show(out, state)
      if (state.status.fault !== null) throw new Exit(EXIT.failed, 'the mirror may lack releases')
    })

function show(out: Output, state: Mirror): void {
  const { status, plan } = state
  out.show(state, {
    whole: () =>
      plan === null
        ? statusText(status)
        : [
            out.table(
              ['TO FETCH', 'TARGET', 'BYTES'],
              plan.releases.map(({ ident, target, size_bytes: size }) => [
                ident,
                target,
                size === null ? 'unknown' : String(size),
              ]),
            ),
            ...plan.absent_views.map(
              (view) => `DEPOT_MIRROR_VIEWS names ${printable(view)}, and there is no such view.`,
            ),
            `${plan.count} releases, ${plan.bytes} bytes${plan.unknown_sizes === 0 ? '' : ` and ${plan.unknown_sizes} of unknown size`}`,
          ].join('\n'),
    brief: () => (plan?.releases ?? []).map(({ ident, target }) => `${ident} ${target}`),
  })
}

function statusText({
  running,
  begun_at: begunAt,
  planned,
  fetched,
  bytes,
  failed,
  fault,
  succeeded_at: succeededAt,
}: Mirror['status']): string {
  if (begunAt === null) return 'The mirror has not run yet.'
  const done = `${running ? 'The mirror has fetched' : 'The mirror fetched'} ${fetched} of ${planned} releases, ${bytes} bytes.`
  return [
    done,
    ...(failed === 0 ? [] : [`${failed} failed.`]),
    ...(fault === null
      ? []
      : [
          printable(fault),
          succeededAt === null
            ? 'No run has been complete yet.'
            : `The last complete run ended ${succeededAt}.`,
        ]),
  ].join('\n')
}
