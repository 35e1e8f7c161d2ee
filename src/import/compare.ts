import type { Transfer } from '../remote/attempt.ts'
import { formatMember } from '../remote/destination.ts'
import { formatIdent } from '../package/ident.ts'
import { planImport } from './plan.ts'
import type { ImportOptions } from './plan.ts'

/** The result of a comparison of two depots. */
export interface ImportComparison {
  /** The number of equal public keys in both depots. */
  readonly keys: number
  /** The number of equal releases in both depots. A release for two targets counts twice. */
  readonly releases: number
  /** The number of memberships of releases in channels that both depots have. */
  readonly members: number
  /** One sentence without a full stop for each difference, or for each thing that cannot be compared. */
  readonly differences: readonly string[]
}

/**
 * Compares the keys, the checksums of releases and the members of channels in both depots. Reads what an
 * import would read, and writes nothing. Throws the errors of {@link planImport}.
 */
export async function compareDepots(
  { source, destination, reporter }: Transfer,
  options: ImportOptions,
): Promise<ImportComparison> {
  const differences: string[] = []
  const plan = await planImport(
    {
      source,
      destination,
      reporter: {
        begin: (what, total) => reporter.begin(what, total),
        advance: () => reporter.advance(),
        fail: (what, why) => differences.push(`${what}: ${why}`),
        note: () => undefined, // an import reports the same notes
      },
    },
    { ...options, findsSurplus: true },
  )
  const compared = { keys: 0, releases: 0, members: 0 }
  for (const { name, isNew, keys, keysPresent, releases, filesPresent, channels } of plan.origins) {
    compared.keys += keysPresent
    compared.releases += filesPresent
    if (isNew) differences.push(`the origin ${name} is missing here`)
    for (const { revision } of keys) differences.push(`the key ${name}-${revision} is missing here`)
    for (const { ident, files } of releases)
      for (const { target } of files)
        differences.push(`${formatMember({ ident: formatIdent(ident), target })} is missing here`)
    for (const channel of channels) {
      compared.members += channel.membersPresent
      if (channel.joining > 0)
        differences.push(`the channel ${channel.name} of ${name} lacks ${channel.joining} releases here`)
      for (const member of channel.surplus)
        differences.push(`the channel ${channel.name} of ${name} has ${formatMember(member)} only here`)
    }
  }
  return { ...compared, differences }
}
