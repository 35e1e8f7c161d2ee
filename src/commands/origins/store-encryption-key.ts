import type { CommandContext } from '../../ledger/command-context.ts'
import { findLatestKey, getOrigin, insertKey } from '../../origins/origin-store.ts'
import type { StoredKey } from '../../origins/origin-store.ts'

/**
 * Stores the key pair that encrypts an origin's secrets, unless the origin has one. The submitter has
 * encrypted the secret half. Returns the public half of the stored pair. Throws `not_found` for the origin.
 */
export async function storeEncryptionKey(
  context: CommandContext,
  input: { origin: string; revision: string; ownerId: number; publicBody: string; secretBody: string },
): Promise<StoredKey> {
  const { trx, at } = context
  const { revision, ownerId, publicBody, secretBody } = input
  const origin = await getOrigin(trx, input.origin)
  const before = await findLatestKey(trx, origin.name, 'box_public')
  if (before !== undefined) return before
  for (const [kind, body] of [
    ['box_public', publicBody],
    ['box_secret', secretBody],
  ] as const) {
    await insertKey(trx, { originId: origin.id, kind, revision, body, ownerId, at })
    await context.record(
      { kind: 'key-added', origin: origin.name, revision, key: kind },
      { originId: origin.id },
    )
  }
  return { revision, body: publicBody }
}
