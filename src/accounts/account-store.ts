import type { Selectable } from 'kysely'
import type { Db } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'
import type { AccountsTable } from '../database/schema.ts'
import { DepotError, quote } from '../errors.ts'
import type { Role, Scope, Session } from '../access/access.ts'

export interface Account {
  readonly id: number
  readonly name: string
  readonly email: string | undefined
  readonly isAdministrator: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

/** A token in lists, without its secret. */
export interface TokenDescription {
  readonly id: number
  readonly account: string
  readonly label: string
  readonly scope: Scope
  readonly createdAt: number
  readonly expiresAt: number | undefined
  readonly revokedAt: number | undefined
}

export async function findAccount(db: Db, name: string): Promise<Account | undefined> {
  const row = await db.selectFrom('accounts').selectAll().where('name', '=', name).executeTakeFirst()
  return row && fromRow(row)
}

/** Returns the account of this name. Throws `not_found`. */
export async function getAccount(db: Db, name: string): Promise<Account> {
  const account = await findAccount(db, name)
  if (account === undefined) throw new DepotError('not_found', `there is no account ${quote(name)}`)
  return account
}

export async function getAccountName(db: Db, id: number): Promise<string> {
  const { name } = await db
    .selectFrom('accounts')
    .select('name')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return name
}

/** Returns the account with this id. Throws `not_found`. */
export async function getAccountById(db: Db, id: number): Promise<Account> {
  const row = await db.selectFrom('accounts').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined) throw new DepotError('not_found', `there is no account ${id}`)
  return fromRow(row)
}

/** Lists every account, by name. */
export async function listAccounts(db: Db): Promise<Account[]> {
  const rows = await db.selectFrom('accounts').selectAll().orderBy('name').execute()
  return rows.map(fromRow)
}

/**
 * Finds the session of a token, found by the token's hash or id. `undefined` for an unknown or revoked token; the
 * caller checks the expiry.
 */
export async function findSession(
  db: Db,
  token: { readonly hash: string } | { readonly id: number },
): Promise<Session | undefined> {
  const [row] = await ('hash' in token ? tokenByHash(db, token) : tokenById(db, token))
  if (row === undefined) return undefined
  const memberships = await membershipsOf(db, { accountId: row.id })
  return {
    accountId: row.id,
    accountName: row.name,
    isAdministrator: row.is_administrator === 1,
    tokenId: row.token_id,
    scope: parseScope(row.scope),
    expiresAt: row.expires_at ?? undefined,
    roles: new Map<string, Role>(memberships.map(({ name, role }) => [name, role])),
  }
}

const tokenByHash = prepared<{ hash: string }>()((db, { hash }) =>
  validTokens(db).where('tokens.hash', '=', hash),
)
const tokenById = prepared<{ id: number }>()((db, { id }) => validTokens(db).where('tokens.id', '=', id))
const membershipsOf = prepared<{ accountId: number }>()((db, { accountId }) =>
  db
    .selectFrom('origin_members')
    .innerJoin('origins', 'origins.id', 'origin_members.origin_id')
    .select(['origins.name', 'origin_members.role'])
    .where('origin_members.account_id', '=', accountId),
)

function validTokens(db: Db) {
  return db
    .selectFrom('tokens')
    .innerJoin('accounts', 'accounts.id', 'tokens.account_id')
    .select([
      'tokens.id as token_id',
      'tokens.scope',
      'tokens.expires_at',
      'accounts.id',
      'accounts.name',
      'accounts.is_administrator',
    ])
    .where('tokens.revoked_at', 'is', null)
}

/** Lists all tokens, or those of one account, oldest first. */
export async function listTokens(db: Db, account?: string): Promise<TokenDescription[]> {
  const rows = await db
    .selectFrom('tokens')
    .innerJoin('accounts', 'accounts.id', 'tokens.account_id')
    .select([
      'tokens.id',
      'accounts.name',
      'tokens.label',
      'tokens.scope',
      'tokens.created_at',
      'tokens.expires_at',
      'tokens.revoked_at',
    ])
    .$if(account !== undefined, (query) => query.where('accounts.name', '=', account ?? ''))
    .orderBy('tokens.id')
    .execute()
  return rows.map((row) => ({
    id: row.id,
    account: row.name,
    label: row.label,
    scope: parseScope(row.scope),
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    revokedAt: row.revoked_at ?? undefined,
  }))
}

export async function insertAccount(
  db: Db,
  account: { name: string; email: string | undefined; isAdministrator: boolean; at: number },
): Promise<number> {
  const { id } = await db
    .insertInto('accounts')
    .values({
      name: account.name,
      email: account.email ?? null,
      is_administrator: account.isAdministrator ? 1 : 0,
      created_at: account.at,
      updated_at: account.at,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

export async function findTokenByHash(
  db: Db,
  hash: string,
): Promise<{ id: number; revokedAt: number | undefined } | undefined> {
  const row = await db
    .selectFrom('tokens')
    .select(['id', 'revoked_at'])
    .where('hash', '=', hash)
    .executeTakeFirst()
  return row && { id: row.id, revokedAt: row.revoked_at ?? undefined }
}

export async function insertToken(
  db: Db,
  token: {
    accountId: number
    hash: string
    label: string
    scope: Scope
    expiresAt: number | undefined
    at: number
  },
): Promise<number> {
  const { id } = await db
    .insertInto('tokens')
    .values({
      account_id: token.accountId,
      hash: token.hash,
      label: token.label,
      scope: Object.keys(token.scope).length === 0 ? null : JSON.stringify(token.scope),
      created_at: token.at,
      expires_at: token.expiresAt ?? null,
      revoked_at: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** Revokes a token and returns the name of its account. Throws `not_found`, and `conflict` if the token is already revoked. */
export async function markTokenRevoked(db: Db, id: number, at: number): Promise<string> {
  const row = await db
    .selectFrom('tokens')
    .innerJoin('accounts', 'accounts.id', 'tokens.account_id')
    .select(['accounts.name', 'tokens.revoked_at'])
    .where('tokens.id', '=', id)
    .executeTakeFirst()
  if (row === undefined) throw new DepotError('not_found', `there is no token ${id}`)
  if (row.revoked_at !== null) throw new DepotError('conflict', `token ${id} is already revoked`)
  await db.updateTable('tokens').set({ revoked_at: at }).where('id', '=', id).execute()
  return row.name
}

export async function updateEmail(db: Db, accountId: number, email: string, at: number): Promise<void> {
  await db.updateTable('accounts').set({ email, updated_at: at }).where('id', '=', accountId).execute()
}

function fromRow(row: Selectable<AccountsTable>): Account {
  return {
    id: row.id,
    name: row.name,
    email: row.email ?? undefined,
    isAdministrator: row.is_administrator === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

function parseScope(text: string | null): Scope {
  return text === null ? {} : (JSON.parse(text) as Scope)
}
