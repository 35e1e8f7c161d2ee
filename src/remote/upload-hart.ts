import { openAsBlob } from 'node:fs'
import { DepotError } from '../errors.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import * as destinations from './destination.ts'
import { findRelease } from './habitat-reads.ts'
import type { RemoteDepot } from './remote-depot.ts'

export interface HartToUpload {
  readonly ident: Ident
  readonly target: Target
  readonly checksum: string
  readonly visibility: 'public' | 'private'
}

/**
 * Uploads a package from a file. Also succeeds if the destination already has the package with the same
 * bytes. A private package is private from its first moment. Throws `release_differs` if the destination has
 * other bytes.
 */
export async function uploadHart(
  destination: RemoteDepot,
  { ident, target, checksum, visibility }: HartToUpload,
  file: string,
): Promise<void> {
  if (visibility === 'private') await destinations.makeNewReleasesPrivate(destination, ident)
  await destinations.upload(destination, ident, { target, checksum, bytes: await openAsBlob(file) })
  const found = await findRelease(destination, ident, target)
  if (found?.checksum !== checksum)
    throw new DepotError('release_differs', destinations.describeDifference(found?.checksum, checksum))
  if ((found.visibility === 'public') !== (visibility === 'public'))
    await destinations.setVisibility(destination, ident, visibility)
}
