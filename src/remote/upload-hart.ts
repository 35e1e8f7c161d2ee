import { openAsBlob } from 'node:fs'
import { DepotError } from '../errors.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import * as destinations from './destination.ts'
import { findRelease } from './habitat-reads.ts'
import type { RemoteDepot } from './remote-depot.ts'

export interface Offered {
  readonly ident: Ident
  readonly target: Target
  readonly checksum: string
  readonly visibility: 'public' | 'private'
}

/**
 * Uploads a package from a file, or finds that it is there. The release has these bytes then, and no one saw it meanwhile who must not.
 * Throws `release_differs`.
 */
export async function offerHart(
  destination: RemoteDepot,
  { ident, target, checksum, visibility }: Offered,
  file: string,
): Promise<void> {
  if (visibility === 'private') await destinations.keepPrivate(destination, ident)
  await destinations.upload(destination, ident, { target, checksum, bytes: await openAsBlob(file) })
  const here = await findRelease(destination, ident, target)
  if (here?.checksum !== checksum)
    throw new DepotError('release_differs', destinations.differ(here?.checksum, checksum))
  if ((here.visibility === 'public') !== (visibility === 'public'))
    await destinations.setVisibility(destination, ident, visibility)
}
