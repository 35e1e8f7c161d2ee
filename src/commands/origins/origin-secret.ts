import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { getOrigin } from '../../origins/origin-store.ts'
import { deleteSecret, insertSecret } from '../../origins/origin-secret-store.ts'

/**
 * Stores a secret of an origin. Clients usually encrypt it with the origin's encryption key. `sealed` is the
 * client's text, encrypted once more by the submitter; the depot gives back the client's text unchanged.
 * Throws `not_found` and `already_exists`.
 */
export async function addSecret(
  context: CommandContext,
  input: { origin: string; name: string; sealed: string; ownerId: number },
): Promise<void> {
  const { name, sealed, ownerId } = input
  const origin = await getOrigin(context.trx, input.origin)
  const isNew = await insertSecret(context.trx, {
    originId: origin.id,
    name,
    sealed,
    ownerId,
    at: context.at,
  })
  if (!isNew) throw new DepotError('already_exists', `${origin.name} has a secret ${name} already`)
  await context.record({ kind: 'secret-added', origin: origin.name, name }, { originId: origin.id })
}

/** Removes a secret. Does nothing if the secret does not exist. Throws `not_found` for the origin. */
export async function removeSecret(
  context: CommandContext,
  input: { origin: string; name: string },
): Promise<{ isChanged: boolean }> {
  const origin = await getOrigin(context.trx, input.origin)
  const isChanged = await deleteSecret(context.trx, origin.id, input.name)
  if (isChanged)
    await context.record(
      { kind: 'secret-removed', origin: origin.name, name: input.name },
      { originId: origin.id },
    )
  return { isChanged }
}
