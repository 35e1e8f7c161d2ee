import { DepotError } from '../../errors.ts'
import type { Change } from '../../ledger/command-context.ts'
import { getOrigin } from '../../origins/origin-store.ts'
import { deleteSecret, insertSecret } from '../../origins/origin-secret-store.ts'

/**
 * Stores a secret of an origin. Clients usually encrypt it with the origin's encryption key; the depot stores and returns their text
 * unchanged. `sealed` is that text, encrypted again by the submitter. Throws `not_found` and `already_exists`.
 */
export async function addSecret(
  change: Change,
  input: { origin: string; name: string; sealed: string; ownerId: number },
): Promise<void> {
  const { name, sealed, ownerId } = input
  const origin = await getOrigin(change.trx, input.origin)
  const isNew = await insertSecret(change.trx, { originId: origin.id, name, sealed, ownerId, at: change.at })
  if (!isNew) throw new DepotError('already_exists', `${origin.name} has a secret ${name} already`)
  await change.record({ kind: 'secret-added', origin: origin.name, name }, { originId: origin.id })
}

/** Removes a secret. Does nothing if the secret does not exist. Throws `not_found` for the origin. */
export async function removeSecret(
  change: Change,
  input: { origin: string; name: string },
): Promise<{ isChanged: boolean }> {
  const origin = await getOrigin(change.trx, input.origin)
  const isChanged = await deleteSecret(change.trx, origin.id, input.name)
  if (isChanged)
    await change.record(
      { kind: 'secret-removed', origin: origin.name, name: input.name },
      { originId: origin.id },
    )
  return { isChanged }
}

/** Returns the purpose to which an encrypted secret is bound. */
export function secretPurpose(origin: string, name: string): string {
  return `origin secret ${origin} ${name}`
}
