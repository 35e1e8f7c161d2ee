import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { parseDepotKey, parseTrustedName } from '../../lockfiles/depot-key.ts'
import {
  MAX_TRUSTED_KEYS,
  deleteTrustedKey,
  findTrustedKey,
  insertTrustedKey,
  listTrustedKeys,
} from '../../lockfiles/depot-key-store.ts'

/**
 * Trusts lockfiles that another depot's key signed. The key replaces an earlier key of the same name. Throws
 * `key_malformed`, `invalid_request` for the name, and `conflict` at the limit.
 */
export async function trustKey(
  context: CommandContext,
  input: { name: string; publicKey: string },
): Promise<{ id: string; isChanged: boolean }> {
  const { trx, at } = context
  const name = parseTrustedName(input.name)
  const key = parseDepotKey(input.publicKey)
  const before = await findTrustedKey(trx, name)
  if (before?.key.id === key.id) return { id: key.id, isChanged: false }
  if (before !== undefined) await distrustKey(context, { name })
  if ((await listTrustedKeys(trx)).length >= MAX_TRUSTED_KEYS)
    throw new DepotError('conflict', `${MAX_TRUSTED_KEYS} keys are trusted already`)
  await insertTrustedKey(trx, { name, key, addedAt: at })
  await context.record({
    kind: 'trusted-key-added',
    name,
    key: key.id,
    publicKey: key.raw.toString('base64'),
  })
  return { id: key.id, isChanged: true }
}

/** Removes a trusted key. Throws `not_found`. */
export async function distrustKey(context: CommandContext, input: { name: string }): Promise<void> {
  const before = await findTrustedKey(context.trx, input.name)
  if (before === undefined) throw new DepotError('not_found', `there is no trusted key ${input.name}`)
  await deleteTrustedKey(context.trx, input.name)
  await context.record({ kind: 'trusted-key-removed', name: input.name, key: before.key.id })
}
