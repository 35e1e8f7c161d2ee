import type { RetentionRun, RetentionVerdicts } from '../../../client/operations.ts'
import { formatBytes } from '../../../text/columns.ts'
import { counted } from '../../../text/counted.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { UsageError } from '../../exit-codes.ts'
import { packageFilterOf } from '../arguments.ts'
import type { PackageFilter } from '../arguments.ts'
import { confirm, shouldAsk } from '../confirm.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'
import type { Connected } from '../connect.ts'
import { IDENT, TARGET, releaseOf } from '../releases/releases.ts'

type Verdict = RetentionVerdicts['verdicts'][number]
type Removed = RetentionRun['removed'][number]

export const retention: Define = (command, io) =>
  remoteOptions(command)
    .option('--dry-run', 'say of each release why it stays or goes, and change nothing')
    .option('--only <going-or-staying>', 'with --dry-run: only releases that go, or only those that stay')
    .option('--origin <origin>', 'only releases of this origin')
    .option('--name <name>', 'only releases of this package of the origin')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      `${examples([
        ['retention --dry-run --only going', 'show what would go, and how many bytes come free'],
        ['retention --origin acme --yes', 'remove what goes of an origin now'],
      ])}

The depot itself does this once a day. The bytes stay for DEPOT_QUARANTINE_DAYS: hart-depot retention return brings a release back.`,
    )
    .action(async ({ dryRun, only, origin, name, yes, ...options }) => {
      const filter = packageFilterOf({ origin, name })
      if (dryRun === true) return showVerdicts(connect(io, options), { ...filter, only: onlyOf(only) })
      if (only !== undefined) throw new UsageError('--only is for --dry-run')
      const { depot, out } = connectToChange(io, options)
      if (shouldAsk(io, { yes })) await confirm(io, 'Remove every release that goes by the retention rules?')
      const removed = await removeAll(depot, filter)
      out.show(removed, {
        whole: () =>
          [
            ...(removed.length === 0
              ? []
              : [out.table(['REMOVED', 'TARGET', 'SIZE'], removed.map(removedRow))]),
            `Removed ${counted(removed.length, 'release')}; ${formatBytes(freed(removed))} come free after the quarantine.`,
          ].join('\n\n'),
        brief: () => removed.map(({ ident }) => ident),
      })
    })

export const retentionQuarantine: Define = (command, io) =>
  remoteOptions(command)
    .addHelpText(
      'after',
      examples([
        ['retention quarantine', 'list what was removed and can return, and until when'],
        ['retention quarantine --quiet', 'print only the idents'],
      ]),
    )
    .action(async (options) => {
      const { depot, out } = connect(io, options)
      const list = await Array.fromAsync(depot.each('listQuarantine', {}))
      out.show(list, {
        whole: () =>
          out.table(
            ['IN QUARANTINE', 'TARGET', 'SIZE', 'UNTIL'],
            list.map(({ ident, target, size_bytes, until }) => [
              ident,
              target,
              formatBytes(size_bytes),
              until,
            ]),
          ),
        brief: () => list.map(({ ident }) => ident),
      })
    })

export const retentionReturn: Define = (command, io) =>
  remoteOptions(command)
    .argument('<ident>', IDENT)
    .option('--target <target>', TARGET)
    .addHelpText(
      'after',
      examples([
        ['retention return acme/app/1.2.0/20260101120000', 'bring a release back, into unstable alone'],
        [
          'retention return acme/app/1.2.0/20260101120000 --target x86_64-windows',
          'bring it back for one target',
        ],
      ]),
    )
    .action(async (ident, { target, ...options }) => {
      const { depot, out } = connectToChange(io, options)
      const returned = await depot.returnRelease(releaseOf(ident, target))
      out.show(returned, {
        whole: () => `${returned.ident} (${returned.target}) is back, in unstable alone.`,
      })
    })

async function showVerdicts(
  { depot, out }: Connected,
  query: PackageFilter & { only: 'going' | 'staying' | undefined },
): Promise<void> {
  const { only, ...filter } = query
  const input = { ...filter, ...(only !== undefined && { only }), limit: 1_000 }
  const verdicts = await Array.fromAsync(depot.each('listRetentionVerdicts', input))
  const going = verdicts.filter(({ goes }) => goes)
  out.show(verdicts, {
    whole: () =>
      [
        out.table(['', 'RELEASE', 'TARGET', 'SIZE', 'BECAUSE IT'], verdicts.map(verdictRow)),
        `${going.length} of ${counted(verdicts.length, 'release')} would go, and ${formatBytes(freed(going))} come free.`,
      ].join('\n\n'),
    brief: () => going.map(({ ident }) => ident),
  })
}

/** Removes what goes, part by part, again and again until nothing goes any more. */
async function removeAll(depot: Connected['depot'], filter: PackageFilter): Promise<Removed[]> {
  const removed: Removed[] = []
  for (let before = -1; removed.length > before;) {
    before = removed.length
    let cursor: string | null | undefined
    do {
      const part: RetentionRun = await depot.runRetention({
        body: { ...filter, ...(typeof cursor === 'string' && { cursor }) },
      })
      removed.push(...part.removed)
      cursor = part.cursor
    } while (cursor !== null)
  }
  return removed
}

function onlyOf(text: string | undefined): 'going' | 'staying' | undefined {
  if (text === undefined || text === 'going' || text === 'staying') return text
  throw new UsageError(`--only is going or staying, not ${JSON.stringify(text)}`)
}

function verdictRow({ goes, ident, target, size_bytes, detail }: Verdict): string[] {
  return [goes ? 'goes' : 'stays', ident, target, formatBytes(size_bytes), detail.slice(ident.length + 1)]
}

function removedRow({ ident, target, freed_bytes }: Removed): string[] {
  return [ident, target, formatBytes(freed_bytes)]
}

function freed(releases: readonly { readonly freed_bytes: number }[]): number {
  return releases.reduce((sum, { freed_bytes }) => sum + freed_bytes, 0)
}
