import type { Visibility } from '../../access/access.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { getOrigin, updateDefaultVisibility } from '../../origins/origin-store.ts'

/** Sets the default visibility of an origin's new packages. Throws `not_found`. */
export async function changeOrigin(
  context: CommandContext,
  input: { origin: string; defaultVisibility: Visibility },
): Promise<{ isChanged: boolean }> {
  const { defaultVisibility } = input
  const origin = await getOrigin(context.trx, input.origin)
  if (origin.defaultVisibility === defaultVisibility) return { isChanged: false }
  await updateDefaultVisibility(context.trx, origin.id, defaultVisibility, context.at)
  await context.record(
    { kind: 'origin-changed', origin: origin.name, defaultVisibility },
    { originId: origin.id },
  )
  return { isChanged: true }
}
