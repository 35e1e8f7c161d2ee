import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { deleteIntegration, insertIntegration } from '../../origins/integration-store.ts'
import type { IntegrationName } from '../../origins/integration-store.ts'
import { getOrigin } from '../../origins/origin-store.ts'

/**
 * Stores an integration. The submitter has encrypted its body. Throws `not_found` for the origin and
 * `already_exists`.
 */
export async function addIntegration(
  context: CommandContext,
  input: IntegrationName & { origin: string; sealed: string },
): Promise<void> {
  const { type, name, sealed } = input
  const origin = await getOrigin(context.trx, input.origin)
  const isNew = await insertIntegration(context.trx, {
    originId: origin.id,
    type,
    name,
    sealed,
    at: context.at,
  })
  if (!isNew)
    throw new DepotError('already_exists', `${origin.name} has an integration ${type}/${name} already`)
  await context.record(
    { kind: 'integration-added', origin: origin.name, type, name },
    { originId: origin.id },
  )
}

/**
 * Removes an integration. Does nothing if the integration does not exist. Throws `not_found` for the origin.
 */
export async function removeIntegration(
  context: CommandContext,
  input: IntegrationName & { origin: string },
): Promise<{ isChanged: boolean }> {
  const { type, name } = input
  const origin = await getOrigin(context.trx, input.origin)
  const isChanged = await deleteIntegration(context.trx, origin.id, { type, name })
  if (isChanged)
    await context.record(
      { kind: 'integration-removed', origin: origin.name, type, name },
      { originId: origin.id },
    )
  return { isChanged }
}
