import { UNRESTRICTED_AUDIENCE } from '../../access/access.ts'
import { DepotError, quote } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { releaseKey } from '../../package/ident.ts'
import type { ReleaseName } from '../../package/ident.ts'
import {
  MAX_REGISTERED_LOCKFILES,
  MAX_REGISTERED_RELEASES,
  countRegisteredLockfiles,
  deleteRegisteredLockfile,
  findRegisteredLockfile,
  insertRegisteredLockfile,
} from '../../retention/registered-store.ts'
import { findReleases } from '../../revisions/dependency-store.ts'

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** A lockfile that was verified. */
export interface RegisterInput {
  readonly name: string
  /** The SHA-256 of its text, in hexadecimal. */
  readonly digest: string
  readonly view: string
  readonly revision: number
  readonly releases: readonly (ReleaseName & { readonly checksum: string })[]
}

/**
 * Registers a lockfile: the releases that it lists are kept. It replaces another one of the same name. Throws
 * `invalid_request` for the name, `not_found` and `release_differs` for a release, `too_large`, and
 * `conflict` at the limit of lockfiles.
 */
export async function registerLockfile(
  context: CommandContext,
  { releases, ...lockfile }: RegisterInput,
): Promise<{ isChanged: boolean }> {
  const { trx, at, actor } = context
  const { name, digest } = lockfile
  if (!NAME.test(name))
    throw new DepotError(
      'invalid_request',
      `${quote(name)} is not a name for a lockfile: letters, digits and . _ -, starting with a letter or digit, at most 64`,
    )
  if (releases.length > MAX_REGISTERED_RELEASES)
    throw new DepotError(
      'too_large',
      `a registered lockfile has at most ${MAX_REGISTERED_RELEASES} releases, and this one has ${releases.length}: make one for each origin`,
    )
  const before = await findRegisteredLockfile(trx, name)
  if (before?.digest === digest) return { isChanged: false }
  if (before !== undefined) await unregisterLockfile(context, { name })
  else if ((await countRegisteredLockfiles(trx)) >= MAX_REGISTERED_LOCKFILES)
    throw new DepotError('conflict', `there are already ${MAX_REGISTERED_LOCKFILES} registered lockfiles`)
  const found = await findReleases(trx, releases, UNRESTRICTED_AUDIENCE)
  const ids = releases.map(({ ident, target, checksum }) => {
    const release = found.get(releaseKey({ ident, target }))
    if (release === undefined) throw new DepotError('not_found', `there is no release ${ident} for ${target}`)
    if (release.checksum !== checksum)
      throw new DepotError('release_differs', `${ident} for ${target} has other bytes here`)
    return release.releaseId
  })
  await insertRegisteredLockfile(trx, { ...lockfile, accountId: actor.accountId, at }, ids)
  await context.record({
    kind: 'lockfile-registered',
    name,
    digest,
    releases: releases.map(({ ident, target }) => ({ ident, target })).toSorted(compareNames),
  })
  return { isChanged: true }
}

/** Ends the registration of a lockfile. Throws `not_found`. */
export async function unregisterLockfile(context: CommandContext, { name }: { name: string }): Promise<void> {
  const lockfile = await findRegisteredLockfile(context.trx, name)
  if (lockfile === undefined)
    throw new DepotError('not_found', `there is no registered lockfile ${quote(name)}`)
  await deleteRegisteredLockfile(context.trx, lockfile.id)
  await context.record({ kind: 'lockfile-unregistered', name })
}

/** Compares bytewise by ident, then by target, like the database. All names are ASCII. */
function compareNames(a: ReleaseName, b: ReleaseName): number {
  if (a.ident !== b.ident) return a.ident < b.ident ? -1 : 1
  return a.target < b.target ? -1 : Number(a.target > b.target)
}
