import type { Db } from '../database/database.ts'

export interface Invitation {
  readonly id: number
  readonly originId: number
  readonly origin: string
  readonly accountId: number
  readonly account: string
  readonly inviterId: number
  readonly isIgnored: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

export async function findInvitation(db: Db, origin: string, id: number): Promise<Invitation | undefined> {
  const row = await invitations(db)
    .where('origins.name', '=', origin)
    .where('invitations.id', '=', id)
    .executeTakeFirst()
  return row && invitationOf(row)
}

/** Finds the invitation of an account to an origin, also if the account ignored it. */
export async function findInvitationOf(
  db: Db,
  originId: number,
  accountId: number,
): Promise<Invitation | undefined> {
  const row = await invitations(db)
    .where('invitations.origin_id', '=', originId)
    .where('invitations.account_id', '=', accountId)
    .executeTakeFirst()
  return row && invitationOf(row)
}

/** Lists all invitations to an origin, including ignored ones, oldest first. */
export async function listInvitationsTo(db: Db, originId: number): Promise<Invitation[]> {
  const rows = await invitations(db)
    .where('invitations.origin_id', '=', originId)
    .orderBy('invitations.id')
    .execute()
  return rows.map(invitationOf)
}

/** Lists the invitations of an account that it has not ignored, oldest first. */
export async function listInvitationsOf(db: Db, accountId: number): Promise<Invitation[]> {
  const rows = await invitations(db)
    .where('invitations.account_id', '=', accountId)
    .where('invitations.is_ignored', '=', 0)
    .orderBy('invitations.id')
    .execute()
  return rows.map(invitationOf)
}

export async function insertInvitation(
  db: Db,
  invitation: { originId: number; accountId: number; inviterId: number; at: number },
): Promise<number> {
  const { originId, accountId, inviterId, at } = invitation
  const { id } = await db
    .insertInto('invitations')
    .values({
      origin_id: originId,
      account_id: accountId,
      inviter_id: inviterId,
      created_at: at,
      updated_at: at,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

export async function markInvitationIgnored(db: Db, id: number, at: number): Promise<void> {
  await db.updateTable('invitations').set({ is_ignored: 1, updated_at: at }).where('id', '=', id).execute()
}

export async function deleteInvitation(db: Db, id: number): Promise<void> {
  await db.deleteFrom('invitations').where('id', '=', id).execute()
}

function invitations(db: Db) {
  return db
    .selectFrom('invitations')
    .innerJoin('origins', 'origins.id', 'invitations.origin_id')
    .innerJoin('accounts', 'accounts.id', 'invitations.account_id')
    .selectAll('invitations')
    .select(['origins.name as origin', 'accounts.name as account'])
}

type Row = Awaited<ReturnType<ReturnType<typeof invitations>['executeTakeFirstOrThrow']>>

function invitationOf(row: Row): Invitation {
  return {
    id: row.id,
    originId: row.origin_id,
    origin: row.origin,
    accountId: row.account_id,
    account: row.account,
    inviterId: row.inviter_id,
    isIgnored: row.is_ignored === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
