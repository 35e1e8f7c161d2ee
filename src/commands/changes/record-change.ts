import { UNRESTRICTED_AUDIENCE } from '../../access/access.ts'
import { publicIdOf } from '../../changes/change-record.ts'
import type { NewChange } from '../../changes/change-record.ts'
import { findChange, insertChange } from '../../changes/change-store.ts'
import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { getOrigin } from '../../origins/origin-store.ts'
import { originOf } from '../../package/ident.ts'

/**
 * Records a change of a project. A repeated request with the same commit changes nothing and returns the
 * recorded change. Throws `not_found` for an absent origin, and `conflict` if the change was recorded with
 * another commit.
 */
export async function recordChange(
  context: CommandContext,
  input: NewChange,
): Promise<{ publicId: string; isNew: boolean }> {
  const { trx, actor, at } = context
  const { project, change, commit, branch = null, url = null, targets } = input
  const origin = await getOrigin(trx, originOf(project))
  const publicId = publicIdOf(input, origin)
  const recorded = await findChange(trx, publicId, UNRESTRICTED_AUDIENCE)
  if (recorded !== undefined) {
    if (recorded.commit === commit) return { publicId, isNew: false }
    throw new DepotError(
      'conflict',
      `${change} of ${project} is recorded with the commit ${recorded.commit}, not ${commit}`,
      { more: { change: publicId } },
    )
  }
  await insertChange(trx, { ...input, publicId, originId: origin.id, accountId: actor.accountId, at })
  await context.record(
    { kind: 'change-recorded', record: publicId, project, change, commit, branch, url, targets },
    { originId: origin.id },
  )
  return { publicId, isNew: true }
}
