import { ROLES } from '../access/access.ts'
import type { Role } from '../access/access.ts'
import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'

/** A role that members of a group have in an origin. */
export interface GroupRole {
  readonly group: string
  readonly role: Role
}

/** Lists the groups with a role in an origin, by name. */
export async function listGroupRoles(db: Db, originId: number): Promise<GroupRole[]> {
  const rows = await db
    .selectFrom('group_roles')
    .select(['group_name', 'role'])
    .where('origin_id', '=', originId)
    .orderBy('group_name')
    .execute()
  return rows.map(({ group_name: group, role }) => ({ group, role }))
}

/** Adds the roles of groups to those of an account, by origin. Of several roles, the highest counts. */
export async function addRolesOfGroups(
  db: Db,
  roles: ReadonlyMap<string, Role>,
  groups: readonly string[],
): Promise<ReadonlyMap<string, Role>> {
  const all = new Map(roles)
  for (const batch of inBatches(groups)) {
    const rows = await db
      .selectFrom('group_roles')
      .innerJoin('origins', 'origins.id', 'group_roles.origin_id')
      .select(['origins.name', 'group_roles.role'])
      .where('group_roles.group_name', 'in', batch)
      .execute()
    for (const { name, role } of rows) {
      const before = all.get(name)
      if (before === undefined || ROLES.indexOf(role) > ROLES.indexOf(before)) all.set(name, role)
    }
  }
  return all
}

export async function writeGroupRole(
  db: Db,
  { originId, group, role }: { originId: number; group: string; role: Role },
): Promise<void> {
  await db
    .insertInto('group_roles')
    .values({ group_name: group, origin_id: originId, role })
    .onConflict((on) => on.columns(['group_name', 'origin_id']).doUpdateSet({ role }))
    .execute()
}

/** Deletes the role of a group in an origin, or of all groups. */
export async function deleteGroupRoles(db: Db, originId: number, group?: string): Promise<void> {
  await db
    .deleteFrom('group_roles')
    .where('origin_id', '=', originId)
    .$if(group !== undefined, (query) => query.where('group_name', '=', group ?? ''))
    .execute()
}
