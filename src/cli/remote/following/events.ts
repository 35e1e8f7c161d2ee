import type { Event } from '../../../client/client.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { connect, remoteOptions } from '../connect.ts'
import { expectNamesExist } from '../expect-names-exist.ts'

const USUAL_COUNT = 100
const HEADING = ['SEQUENCE', 'AT', 'KIND', 'BY', 'WHAT']
/** Rows of a followed feed are written one by one, so their columns have fixed widths. */
const WIDTHS = [8, 24, 16, 12]

export const events: Define = (command, io) =>
  remoteOptions(command)
    .option(
      '-f, --follow',
      'print entries as they are committed, until Ctrl-C; with --json, one document per line',
    )
    .option(
      '--after <position>',
      `only entries after this one; the default is to look at the last ${USUAL_COUNT} of the ledger, or at new ones with --follow`,
    )
    .option('--view <view...>', 'only entries about these views')
    .option('--origin <origin...>', 'only entries about these origins and their packages')
    .option('--kind <kind...>', 'only entries of these kinds, for example promotion')
    .addHelpText(
      'after',
      examples([
        ['events', `show the last ${USUAL_COUNT} entries of the ledger`],
        ['events --after 0 --kind promotion --view delivered', 'show every revision of a view'],
        ['events --follow --json', 'write each new entry as a line of JSON'],
      ]),
    )
    .action(async ({ follow, after, view, origin, kind, ...options }) => {
      const { depot, out } = connect(io, options)
      const filter = { ...(view && { view }), ...(origin && { origin }), ...(kind && { kind }) }
      const names = { views: view ?? [], origins: origin ?? [] }
      if (follow === true) {
        await expectNamesExist(depot, names)
        const feed = depot.follow({
          ...filter,
          ...(after !== undefined && { after }),
          signal: io.signal,
          onTrouble: ({ message }) => out.note(`${message}; waiting`),
        })
        for await (const event of feed)
          if (options.json === true) io.stdout.write(`${JSON.stringify(event)}\n`)
          else
            out.show(event, {
              whole: () => out.table(HEADING, [rowOf(event, WIDTHS)]).split('\n')[1] ?? '', // without the heading
              brief: () => [String(event.sequence)],
            })
        return
      }
      const start = after ?? String(Math.max(0, (await depot.getLedgerHead()).sequence - USUAL_COUNT))
      const list = await Array.fromAsync(depot.each('listEvents', { ...filter, after: start }))
      if (list.length === 0) await expectNamesExist(depot, names)
      out.show(list, {
        whole: () =>
          out.table(
            HEADING,
            list.map((event) => rowOf(event)),
          ),
        brief: () => list.map(({ sequence }) => String(sequence)),
      })
    })

function rowOf(
  { sequence, at = '', kind, actor, client, event = {} }: Event,
  widths: number[] = [],
): string[] {
  return [String(sequence), at, kind ?? '', actor ?? client ?? '', subjectOf(event)].map((cell, column) =>
    cell.padEnd(widths[column] ?? 0),
  )
}

/**
 * Describes what an entry is about: the names in it, its first move of `latest`, the number of others, and
 * the reason of an override.
 */
function subjectOf(event: Readonly<Record<string, unknown>>): string {
  const names = ['view', 'act', 'ident', 'package', 'origin', 'name', 'account', 'webhook', 'reason'].flatMap(
    (field) => (typeof event[field] === 'string' ? [event[field]] : []),
  )
  const moves = Array.isArray(event['pointers'])
    ? (event['pointers'] as { package: string; to: string | null }[])
    : []
  const [first] = moves
  const moved = first === undefined ? [] : [first.to ?? `no ${first.package}`]
  const override = event['override'] as { reason: string } | undefined
  return [
    ...names,
    ...moved,
    ...(moves.length > 1 ? [`and ${moves.length - 1} more`] : []),
    ...(override === undefined ? [] : [`OVERRIDE: ${override.reason}`]),
  ].join(' ')
}
