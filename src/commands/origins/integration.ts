import { DepotError } from '../../errors.ts'
import type { Change } from '../../ledger/command-context.ts'
import { deleteIntegration, insertIntegration } from '../../origins/integration-store.ts'
import type { IntegrationName } from '../../origins/integration-store.ts'
import { getOrigin } from '../../origins/origin-store.ts'

/** Stores an integration. The submitter has encrypted its body. Throws `not_found` for the origin and `already_exists`. */
export async function addIntegration(
  change: Change,
  input: IntegrationName & { origin: string; sealed: string },
): Promise<void> {
  const { type, name, sealed } = input
  const origin = await getOrigin(change.trx, input.origin)
  const isNew = await insertIntegration(change.trx, {
    originId: origin.id,
    type,
    name,
    sealed,
    at: change.at,
  })
  if (!isNew)
    throw new DepotError('already_exists', `${origin.name} has an integration ${type}/${name} already`)
  await change.record({ kind: 'integration-added', origin: origin.name, type, name }, { originId: origin.id })
}

/** Removes an integration. Does nothing if the integration does not exist. Throws `not_found` for the origin. */
export async function removeIntegration(
  change: Change,
  input: IntegrationName & { origin: string },
): Promise<{ isChanged: boolean }> {
  const { type, name } = input
  const origin = await getOrigin(change.trx, input.origin)
  const isChanged = await deleteIntegration(change.trx, origin.id, { type, name })
  if (isChanged)
    await change.record(
      { kind: 'integration-removed', origin: origin.name, type, name },
      { originId: origin.id },
    )
  return { isChanged }
}

/** Returns the purpose to which an encrypted integration is bound. */
export function integrationPurpose(origin: string, { type, name }: IntegrationName): string {
  return `integration ${origin} ${type} ${name}`
}
