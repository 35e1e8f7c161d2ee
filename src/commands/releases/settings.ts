import type { Visibility } from '../../access/access.ts'
import { DepotError } from '../../errors.ts'
import { getOrigin } from '../../origins/origin-store.ts'
import type { Origin } from '../../origins/origin-store.ts'
import { formatPackageName, makePackageName } from '../../package/ident.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { findPackageId, findPackageType, insertPackage } from '../../releases/package-store.ts'
import {
  deleteSettings,
  findSettings,
  insertSettings,
  updateSettings,
} from '../../releases/settings-store.ts'
import type { PackageSettings } from '../../releases/settings-store.ts'

// Settings of packages. A package may have settings before it has releases (habitat-today.md 6, Settings).

/** The names of a package and its origin. */
interface Named {
  readonly origin: string
  readonly name: string
}

/**
 * Creates the settings of a package, and the package itself if it is new. Throws `ident_malformed`,
 * `not_found` for the origin, and `already_exists`.
 */
export async function makeSettings(
  context: CommandContext,
  input: Named & { ownerId: number },
): Promise<PackageSettings> {
  const { trx } = context
  const { name } = makePackageName(input)
  const origin = await getOrigin(trx, input.origin)
  if ((await findSettings(trx, origin.name, name)) !== undefined)
    throw new DepotError(
      'already_exists',
      `${formatPackageName({ origin: origin.name, name })} has settings already`,
    )
  const packageId = (await findPackageId(trx, origin.id, name)) ?? (await insertPackage(trx, origin.id, name))
  return insertDefaultSettings(context, origin, { packageId, name, ownerId: input.ownerId })
}

/** Sets the visibility of a package's future releases. Throws `not_found` for the origin and the settings. */
export async function changeSettings(
  context: CommandContext,
  input: Named & { visibility: Visibility },
): Promise<PackageSettings> {
  const { trx, at } = context
  const { visibility } = input
  const origin = await getOrigin(trx, input.origin)
  const { packageId, name } = await getSettings(context, input)
  await updateSettings(trx, packageId, visibility, at)
  await context.record(
    { kind: 'package-settings-set', package: formatPackageName({ origin: origin.name, name }), visibility },
    { originId: origin.id },
  )
  return getSettings(context, input)
}

/**
 * Removes the settings of a package. Does nothing if the package has no settings. Throws `not_found` for the
 * origin, and `conflict` while the package has releases.
 */
export async function removeSettings(context: CommandContext, input: Named): Promise<{ isChanged: boolean }> {
  const { trx } = context
  const origin = await getOrigin(trx, input.origin)
  const before = await findSettings(trx, origin.name, input.name)
  if (before === undefined) return { isChanged: false }
  const label = formatPackageName({ origin: origin.name, name: before.name })
  if ((await findPackageType(trx, before.packageId)) !== undefined)
    throw new DepotError('conflict', `${label} has releases: its settings cannot be removed`)
  await deleteSettings(trx, before.packageId)
  await context.record(
    { kind: 'package-settings-set', package: label, visibility: null },
    { originId: origin.id },
  )
  return { isChanged: true }
}

/** Creates the settings of a package that has none, with the default visibility of its origin. */
export async function insertDefaultSettings(
  context: CommandContext,
  origin: Origin,
  { packageId, name, ownerId }: Pick<PackageSettings, 'packageId' | 'name' | 'ownerId'>,
): Promise<PackageSettings> {
  const { trx, at } = context
  const visibility = origin.defaultVisibility
  await insertSettings(trx, { packageId, visibility, ownerId, at })
  await context.record(
    { kind: 'package-settings-set', package: formatPackageName({ origin: origin.name, name }), visibility },
    { originId: origin.id },
  )
  return { packageId, origin: origin.name, name, visibility, ownerId, createdAt: at, updatedAt: at }
}

async function getSettings({ trx }: CommandContext, { origin, name }: Named): Promise<PackageSettings> {
  const found = await findSettings(trx, origin, name)
  if (found === undefined)
    throw new DepotError('not_found', `${formatPackageName({ origin, name })} has no settings`)
  return found
}
