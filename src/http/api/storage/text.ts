import type { z } from 'zod'
import { formatBytes, formatColumns } from '../../../text/columns.ts'
import { page, sections } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

type Summary = Omit<z.infer<typeof shapes.OriginStorage>, 'origin'>

/** Formats the size of an origin: a summary, a warning if there is one, and a table of months. */
export function originStorageText({ origin, ...summary }: z.infer<typeof shapes.OriginStorage>): string {
  return summaryText(['ORIGIN', origin], [], summary)
}

/** Formats the size of the depot like that of an origin, and adds the bytes that are not yet removed. */
export function depotStorageText({
  unneeded_bytes: unneeded,
  ...summary
}: z.infer<typeof shapes.DepotStorage>): string {
  return summaryText(['DEPOT', ''], [['not yet removed', formatBytes(unneeded)]], summary)
}

function summaryText(
  heading: readonly [string, string],
  more: readonly (readonly string[])[],
  { releases, used_bytes: used, quota_bytes: quota, warning, months }: Summary,
): string {
  return sections(
    formatColumns(heading, [
      ['releases', String(releases)],
      ['used', formatBytes(used)],
      ['quota', quota === null ? 'none' : formatBytes(quota)],
      ...more,
    ]),
    warning === null ? '' : `warning: ${warning}`,
    formatColumns(
      ['RECEIVED IN', 'RELEASES', 'BYTES'],
      months.map(({ month, bytes, ...counted }) => [month, String(counted.releases), formatBytes(bytes)]),
    ),
  )
}

/** Formats a page of the sizes of origins as a table. */
export function originSizesText({ origins, next }: z.infer<typeof shapes.OriginSizes>): string {
  return page(
    ['ORIGIN', 'RELEASES', 'USED', 'QUOTA'],
    origins.map(({ origin, releases, used_bytes: used, quota_bytes: quota }) => [
      origin,
      String(releases),
      formatBytes(used),
      quota === null ? '' : formatBytes(quota),
    ]),
    next,
  )
}

/** Formats a page of the sizes of packages as a table. */
export function packageSizesText({ packages, next }: z.infer<typeof shapes.PackageSizes>): string {
  return page(
    ['PACKAGE', 'RELEASES', 'USED'],
    packages.map(({ package: name, releases, used_bytes: used }) => [
      name,
      String(releases),
      formatBytes(used),
    ]),
    next,
  )
}
