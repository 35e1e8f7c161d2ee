import type { Actor } from '../access/access.ts'
import type { Depot } from '../depot/open.ts'
import type { Target } from '../package/target.ts'

/**
 * Deletes a release: rows first, then bytes, so that what is there can always be downloaded. A crash in between leaves bytes that
 * nothing needs, which are collected. Throws what `deleteRelease` does.
 */
export async function remove(
  depot: Depot,
  input: { ident: string; target: Target },
  actor: Actor,
): Promise<void> {
  const { checksum } = await depot.writer.submit({ kind: 'deleteRelease', input, actor })
  await depot.blobs.forget(checksum)
}
