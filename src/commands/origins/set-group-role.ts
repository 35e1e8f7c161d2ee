import type { Role } from '../../access/access.ts'
import { deleteGroupRoles, listGroupRoles, writeGroupRole } from '../../accounts/group-role-store.ts'
import { DepotError, quote } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { getOrigin } from '../../origins/origin-store.ts'
import { isGroupName } from '../../signin/person.ts'

/**
 * Sets the role of a group's members in an origin; `role: null` takes it. Throws `invalid_request` for the
 * name, and `not_found` for the origin, or a role that is not there.
 */
export async function setGroupRole(
  context: CommandContext,
  { origin: name, group, role }: { origin: string; group: string; role: Exclude<Role, 'owner'> | null },
): Promise<{ isChanged: boolean }> {
  const { trx } = context
  if (!isGroupName(group))
    throw new DepotError('invalid_request', `${quote(group)} is not the name of a group`)
  const origin = await getOrigin(trx, name)
  const before = (await listGroupRoles(trx, origin.id)).find((each) => each.group === group)
  if (before === undefined && role === null)
    throw new DepotError('not_found', `the group ${quote(group)} has no role in ${origin.name}`)
  if (before?.role === role) return { isChanged: false }
  if (role === null) await deleteGroupRoles(trx, origin.id, group)
  else await writeGroupRole(trx, { originId: origin.id, group, role })
  await context.record({ kind: 'group-role-set', origin: origin.name, group, role }, { originId: origin.id })
  return { isChanged: true }
}
