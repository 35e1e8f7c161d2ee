import type { Visibility } from '../../access/access.ts'
import { DepotError } from '../../errors.ts'
import { getOrigin } from '../../origins/origin-store.ts'
import { parseIdent } from '../../package/ident.ts'
import type { Target } from '../../package/target.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { releaseExists, updateVisibility } from '../../releases/release-store.ts'

interface VisibilityInput {
  readonly ident: string
  readonly visibility: Visibility
  /** Restricts the change to this target. */
  readonly target?: Target
}

/**
 * Sets the visibility of an ident for all of its targets (habitat-today.md 6, Packages), or for `target`
 * alone. Throws `not_found`.
 */
export async function setVisibility(
  context: CommandContext,
  input: VisibilityInput,
): Promise<{ isChanged: boolean }> {
  const { trx, at } = context
  const { ident, visibility } = input
  if (!(await releaseExists(trx, ident, input.target)))
    throw new DepotError('not_found', `there is no release ${ident}`)
  const origin = await getOrigin(trx, parseIdent(ident).origin)
  const targets = await updateVisibility(trx, ident, input, at)
  if (targets.length === 0) return { isChanged: false }
  await context.record({ kind: 'visibility-set', ident, targets, visibility }, { originId: origin.id })
  return { isChanged: true }
}
