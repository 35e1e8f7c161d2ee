import type { Command } from '@commander-js/extra-typings'
import { RequestRefused } from '../../../client/errors.ts'
import type { DepotStorage, OriginStorage } from '../../../client/operations.ts'
import { formatBytes } from '../../../text/columns.ts'
import { counted } from '../../../text/counted.ts'
import { parseSize } from '../../../text/size.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { UsageError } from '../../exit-codes.ts'
import type { Output } from '../../output.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'
import type { Connected } from '../connect.ts'

export const storage: Define = (command, io) =>
  remoteOptions(command)
    .argument('[origin]', 'the origin whose packages to list; the default is to list origins')
    .option('--before <month>', 'count only bytes that the depot received before this month, such as 2026-01')
    .addHelpText(
      'after',
      examples([
        ['storage', 'show how many bytes the releases of each origin use, the largest first'],
        ['storage acme --before 2026-01', 'show which packages of an origin have old releases'],
      ]),
    )
    .action(async (origin, options) => {
      const connected = connect(io, options)
      const { before } = options
      const filter = before === undefined ? {} : { before }
      await (origin === undefined
        ? showOrigins(connected, filter)
        : showPackages(connected, { origin, ...filter }))
    })

interface Filter {
  readonly before?: string
}

async function showOrigins({ depot, out }: Connected, filter: Filter): Promise<void> {
  const origins = (await Array.fromAsync(depot.each('listOriginSizes', filter))).toSorted(
    (a, b) => b.used_bytes - a.used_bytes,
  )
  const whole = await depot.getStorage().catch(unlessForbidden)
  out.show(
    { depot: whole ?? null, origins },
    {
      whole: () =>
        join(
          whole === undefined ? [] : summaryOf('the depot', whole),
          whole === undefined || whole.unneeded_bytes === 0
            ? []
            : [
                `A further ${formatBytes(whole.unneeded_bytes)} are not needed any more, and will be removed.`,
              ],
          [
            out.table(
              ['ORIGIN', 'RELEASES', 'USED', 'QUOTA'],
              origins.map(({ origin, releases, used_bytes: used, quota_bytes: quota }) => [
                origin,
                String(releases),
                formatBytes(used),
                quota === null ? '' : `${formatBytes(quota)}${shareText(used, quota)}`,
              ]),
            ),
          ],
          whole === undefined ? [] : [monthTable(out, whole)],
        ),
      brief: () => origins.map(({ origin }) => origin),
    },
  )
}

async function showPackages(
  { depot, out }: Connected,
  filter: Filter & { readonly origin: string },
): Promise<void> {
  const { origin } = filter
  const [whole, packages] = await Promise.all([
    depot.getOriginStorage({ origin }),
    Array.fromAsync(depot.each('listPackageSizes', filter)),
  ])
  const sorted = packages.toSorted((a, b) => b.used_bytes - a.used_bytes)
  out.show(
    { ...whole, packages: sorted },
    {
      whole: () =>
        join(
          summaryOf(origin, whole),
          [
            out.table(
              ['PACKAGE', 'RELEASES', 'USED'],
              sorted.map(({ package: name, releases, used_bytes: used }) => [
                name,
                String(releases),
                formatBytes(used),
              ]),
            ),
          ],
          [monthTable(out, whole)],
        ),
      brief: () => sorted.map(({ package: name }) => name),
    },
  )
}

function unlessForbidden(error: unknown): undefined {
  if (error instanceof RequestRefused && error.code === 'forbidden') return undefined
  throw error
}

type Summary = Pick<OriginStorage, 'releases' | 'used_bytes' | 'quota_bytes' | 'warning'>

function summaryOf(who: string, { releases, used_bytes: used, quota_bytes: quota, warning }: Summary) {
  const ofQuota = quota === null ? ', without a quota' : ` of a quota of ${formatBytes(quota)}`
  return [
    `${who} has ${counted(releases, 'release')} with ${formatBytes(used)}${ofQuota}.`,
    ...(warning === null ? [] : [`Warning: ${warning}.`]),
  ]
}

function shareText(used: number, quota: number): string {
  return quota === 0 ? '' : ` (${Math.floor((used / quota) * 100)} %)`
}

function monthTable(out: Output, { months }: Pick<DepotStorage, 'months'>): string {
  return out.table(
    ['RECEIVED IN', 'RELEASES', 'BYTES'],
    months.map(({ month, releases, bytes }) => [month, String(releases), formatBytes(bytes)]),
  )
}

function join(...parts: readonly (readonly string[])[]): string {
  return parts
    .filter((part) => part.length > 0)
    .map((part) => part.join('\n'))
    .join('\n\n')
}

export const quotaSet: Define = (command, io) =>
  quotaOptions(command)
    .argument('<size>', 'a size such as 10GiB, or a number of bytes')
    .addHelpText(
      'after',
      examples([
        ['quota set 10GiB --origin acme', 'let the releases of an origin have at most 10 GiB'],
        ['quota set 2TiB --depot', 'let all releases together have at most 2 TiB'],
      ]),
    )
    .action(async (size, options) => {
      const bytes = parseSize(size)
      if (bytes === undefined)
        throw new UsageError(`a quota is a size such as 10GiB, not ${JSON.stringify(size)}`)
      await setQuota(connectToChange(io, options), placeOf(options), bytes)
    })

export const quotaRemove: Define = (command, io) =>
  quotaOptions(command)
    .addHelpText(
      'after',
      examples([
        ['quota remove --origin acme', 'end the limit of an origin'],
        ['quota remove --depot', 'end the limit of the whole depot'],
      ]),
    )
    .action(async (options) => setQuota(connectToChange(io, options), placeOf(options), null))

function quotaOptions(command: Command) {
  return remoteOptions(command)
    .option('--origin <origin>', 'the quota of this origin')
    .option('--depot', 'the quota of the whole depot')
}

/**
 * Returns the origin of `--origin`, or `undefined` for `--depot`. Throws a {@link UsageError} unless there is
 * exactly one of these options.
 */
function placeOf({ origin, depot }: { origin?: string | undefined; depot?: true | undefined }) {
  if ((origin === undefined) === (depot === undefined))
    throw new UsageError('name either --origin ORIGIN or --depot')
  return origin
}

async function setQuota(
  { depot, out }: Connected,
  origin: string | undefined,
  bytes: number | null,
): Promise<void> {
  const set: DepotStorage | OriginStorage =
    origin === undefined
      ? await depot.setDepotQuota({ body: { bytes } })
      : await depot.setOriginQuota({ origin, body: { bytes } })
  out.show(set, { whole: () => summaryOf(origin ?? 'the depot', set).join('\n') })
}
