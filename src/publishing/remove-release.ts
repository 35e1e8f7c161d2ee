import type { Actor } from '../access/access.ts'
import type { Depot } from '../depot/depot.ts'
import type { Target } from '../package/target.ts'

/**
 * Deletes a release: first its rows, then its blob unless another release needs it, so that every listed
 * release can be downloaded. A crash in between leaves an unneeded blob, which is collected later. Throws
 * like the command `deleteRelease`.
 */
export async function removeRelease(
  depot: Depot,
  input: { ident: string; target: Target },
  actor: Actor,
): Promise<void> {
  const { checksum } = await depot.writer.submit({ kind: 'deleteRelease', input, actor })
  await depot.blobs.claims.forget(checksum)
}
