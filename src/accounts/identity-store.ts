import type { Db } from '../database/database.ts'

/** A person of a single sign-on: its issuer, and the issuer's name for the person, which never changes. */
export interface Identity {
  readonly issuer: string
  readonly subject: string
}

/** Returns the name of the account that is bound to an identity. */
export async function findBoundAccount(db: Db, { issuer, subject }: Identity): Promise<string | undefined> {
  const row = await db
    .selectFrom('identities')
    .innerJoin('accounts', 'accounts.id', 'identities.account_id')
    .select('accounts.name')
    .where('identities.issuer', '=', issuer)
    .where('identities.subject', '=', subject)
    .executeTakeFirst()
  return row?.name
}

/** Lists the identities of an account. */
export async function listIdentities(
  db: Db,
  accountId: number,
): Promise<(Identity & { readonly createdAt: number })[]> {
  const rows = await db
    .selectFrom('identities')
    .select(['issuer', 'subject', 'created_at'])
    .where('account_id', '=', accountId)
    .orderBy('issuer')
    .orderBy('subject')
    .execute()
  return rows.map(({ issuer, subject, created_at: createdAt }) => ({ issuer, subject, createdAt }))
}

export async function insertIdentity(
  db: Db,
  { issuer, subject, accountId, at }: Identity & { accountId: number; at: number },
): Promise<void> {
  await db
    .insertInto('identities')
    .values({ issuer, subject, account_id: accountId, created_at: at })
    .execute()
}

export async function deleteIdentity(db: Db, { issuer, subject }: Identity): Promise<void> {
  await db.deleteFrom('identities').where('issuer', '=', issuer).where('subject', '=', subject).execute()
}
