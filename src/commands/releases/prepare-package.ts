import type { Visibility } from '../../access/access.ts'
import { DepotError } from '../../errors.ts'
import type { PackageType } from '../../hart/metadata.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import type { Origin } from '../../origins/origin-store.ts'
import { formatIdent, formatPackageName } from '../../package/ident.ts'
import type { Ident } from '../../package/ident.ts'
import { insertPackage } from '../../releases/package-store.ts'
import type { PackageRows } from '../../releases/upload-store.ts'
import { insertSuffixes } from '../../search/suffix-store.ts'
import { insertWords } from '../../search/words-store.ts'
import { insertDefaultSettings } from './settings.ts'

/**
 * Prepares a package for a new release: creates the package and its settings unless they exist, and makes the
 * package findable by its first release. Throws `package_type_mismatch`.
 */
export async function preparePackage(
  context: CommandContext,
  origin: Origin,
  found: PackageRows | undefined,
  { ident, packageType, ownerId }: { ident: Ident; packageType: PackageType; ownerId: number },
): Promise<{ packageId: number; visibility: Visibility }> {
  const { trx } = context
  if (found?.type !== undefined && found.type !== packageType)
    throw new DepotError(
      'package_type_mismatch',
      `${formatIdent(ident)} is a ${packageType} package, but the earlier releases of ${formatPackageName(ident)} are ${found.type}`,
    )
  const packageId = found?.id ?? (await insertPackage(trx, origin.id, ident.name))
  if (found?.type === undefined) {
    await insertWords(trx, packageId, ident)
    await insertSuffixes(trx, packageId, ident)
  }
  const { visibility } =
    found?.visibility === undefined
      ? await insertDefaultSettings(context, origin, { packageId, name: ident.name, ownerId })
      : { visibility: found.visibility }
  return { packageId, visibility }
}
