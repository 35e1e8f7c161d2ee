import type { Actor } from '../access/access.ts'
import type { Depot } from '../depot/open.ts'
import type { Target } from '../package/target.ts'

/**
 * Deletes a release: first its rows, then its bytes, so that every listed release can be downloaded. A crash
 * in between leaves unneeded bytes, which are collected later. Throws like `deleteRelease`.
 */
export async function remove(
  depot: Depot,
  input: { ident: string; target: Target },
  actor: Actor,
): Promise<void> {
  const { checksum } = await depot.writer.submit({ kind: 'deleteRelease', input, actor })
  await depot.blobs.claims.forget(checksum)
}
