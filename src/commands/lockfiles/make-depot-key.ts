import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { SAME_RIGHT, runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import { parseDepotKey } from '../../lockfiles/depot-key.ts'
import { deleteOwnKey, findSigningKey, insertOwnKey } from '../../lockfiles/depot-key-store.ts'

interface NewDepotKey {
  readonly publicKey: string
  readonly sealed: string
  readonly isFirst: boolean
}

/**
 * Stores a new key of the depot, which signs from now on. `publicKey` is the key file of the public half.
 * `sealed` is the private half, encrypted by the submitter. With `isFirst`, nothing is stored if the depot
 * already has a key. Returns the id of the signing key. Throws `key_malformed`.
 */
export async function makeDepotKey(
  context: CommandContext,
  { idempotency, ...input }: NewDepotKey & { idempotency?: IdempotencyKey },
): Promise<{ id: string }> {
  return runOnce(context, idempotency, SAME_RIGHT, () => insertNewKey(context, input))
}

async function insertNewKey(context: CommandContext, input: NewDepotKey): Promise<{ id: string }> {
  const before = await findSigningKey(context.trx)
  if (before !== undefined && input.isFirst) return { id: before.key.id }
  const key = parseDepotKey(input.publicKey)
  await insertOwnKey(context.trx, { key, sealed: input.sealed, madeAt: context.at })
  await context.record({ kind: 'depot-key-made', key: key.id, publicKey: key.raw.toString('base64') })
  return { id: key.id }
}

/**
 * Deletes one of the depot's earlier keys: what it signed is not trusted any more. Throws `not_found`, and
 * `conflict` for the key that signs.
 */
export async function revokeDepotKey(context: CommandContext, { key }: { key: string }): Promise<void> {
  if ((await findSigningKey(context.trx))?.key.id === key)
    throw new DepotError('conflict', `the key ${key} signs: make a new key first`)
  if (!(await deleteOwnKey(context.trx, key)))
    throw new DepotError('not_found', `this depot has no key ${key}`)
  await context.record({ kind: 'depot-key-revoked', key })
}
