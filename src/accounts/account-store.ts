import { sql } from 'kysely'
import type { Selectable } from 'kysely'
import type { Db } from '../database/database.ts'
import { inBatches } from '../database/batches.ts'
import { prepared } from '../database/prepared.ts'
import type { AccountsTable } from '../database/tables/accounts.ts'
import { DepotError, quote } from '../errors.ts'
import type { Role, Scope, Session } from '../access/access.ts'
import { addRolesOfGroups } from './group-role-store.ts'

/** An account. Times are epoch milliseconds. */
export interface Account {
  readonly id: number
  readonly name: string
  readonly email: string | undefined
  readonly isAdministrator: boolean
  readonly createdAt: number
  readonly updatedAt: number
  /** Since when the tokens of the account are refused. */
  readonly disabledAt: number | undefined
}

/** A token in lists, without its secret. */
export interface TokenDescription {
  readonly id: number
  readonly account: string
  readonly isAccountDisabled: boolean
  readonly label: string
  readonly scope: Scope
  readonly createdAt: number
  readonly expiresAt: number | undefined
  readonly revokedAt: number | undefined
  /** A few minutes late; see accounts/token-uses.ts. */
  readonly lastUsedAt: number | undefined
}

const BRIEF_TOKENS_KEPT_MS = 30 * 86_400_000
/** The maximum number of tokens that one command deletes. */
const MAX_DELETED_TOKENS = 100

export async function findAccount(db: Db, name: string): Promise<Account | undefined> {
  const row = await db.selectFrom('accounts').selectAll().where('name', '=', name).executeTakeFirst()
  return row && fromRow(row)
}

/** Returns the given names that belong to accounts. */
export async function listKnownAccounts(db: Db, names: Iterable<string>): Promise<ReadonlySet<string>> {
  const known = new Set<string>()
  for (const batch of inBatches(names)) {
    const rows = await db.selectFrom('accounts').select('name').where('name', 'in', batch).execute()
    for (const { name } of rows) known.add(name)
  }
  return known
}

/** Returns the account of this name. Throws `not_found`. */
export async function getAccount(db: Db, name: string): Promise<Account> {
  const account = await findAccount(db, name)
  if (account === undefined) throw new DepotError('not_found', `there is no account ${quote(name)}`)
  return account
}

/** Returns the name of an account. The account must exist, for example because another row refers to it. */
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

/** Lists the accounts by name: all, or a page of those after a name. */
export async function listAccounts(
  db: Db,
  page?: { after: string | undefined; limit: number },
): Promise<Account[]> {
  const rows = await db
    .selectFrom('accounts')
    .selectAll()
    .$if(page !== undefined, (query) => query.where('name', '>', page?.after ?? '').limit(page?.limit ?? 0))
    .orderBy('name')
    .execute()
  return rows.map(fromRow)
}

/**
 * Finds the session of a token, by the token's hash or id. Returns `undefined` for an unknown or revoked
 * token, and for a token of a disabled account. The caller must check the expiry.
 */
export async function findSession(
  db: Db,
  token: { readonly hash: string } | { readonly id: number },
): Promise<Session | undefined> {
  const [row] = await ('hash' in token ? tokenByHash(db, token) : tokenById(db, token))
  if (row === undefined) return undefined
  const memberships = await membershipsOf(db, { accountId: row.id })
  const roles = new Map<string, Role>(memberships.map(({ name, role }) => [name, role]))
  const groups = row.groups === null ? [] : (JSON.parse(row.groups) as string[])
  return {
    accountId: row.id,
    accountName: row.name,
    isAdministrator: row.is_administrator === 1,
    tokenId: row.token_id,
    scope: parseScope(row.scope),
    expiresAt: row.expires_at ?? undefined,
    groups,
    roles: groups.length === 0 ? roles : await addRolesOfGroups(db, roles, groups),
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
      'tokens.groups',
      'accounts.id',
      'accounts.name',
      'accounts.is_administrator',
    ])
    .where('tokens.revoked_at', 'is', null)
    .where('accounts.disabled_at', 'is', null)
}

/**
 * Lists tokens in the order of their ids, those after the id `after`. `account` restricts the list to one
 * account. Without a limit, all are listed.
 */
export async function listTokens(
  db: Db,
  {
    account,
    after = 0,
    limit,
  }: { account?: string | undefined; after?: number | undefined; limit?: number } = {},
): Promise<TokenDescription[]> {
  const rows = await tokenRows(db)
    .$if(account !== undefined, (query) => query.where('accounts.name', '=', account ?? ''))
    .where('tokens.id', '>', after)
    .orderBy('tokens.id')
    .$if(limit !== undefined, (query) => query.limit(limit ?? 0))
    .execute()
  return rows.map(tokenOf)
}

/** Returns the token with this id. Throws `not_found`. */
export async function getToken(db: Db, id: number): Promise<TokenDescription> {
  const row = await tokenRows(db).where('tokens.id', '=', id).executeTakeFirst()
  if (row === undefined) throw tokenNotFound(id)
  return tokenOf(row)
}

export function tokenNotFound(id: number): DepotError {
  return new DepotError('not_found', `there is no token ${id}`)
}

function tokenRows(db: Db) {
  return db
    .selectFrom('tokens')
    .innerJoin('accounts', 'accounts.id', 'tokens.account_id')
    .select([
      'tokens.id',
      'accounts.name',
      'accounts.disabled_at',
      'tokens.label',
      'tokens.scope',
      'tokens.created_at',
      'tokens.expires_at',
      'tokens.revoked_at',
      'tokens.last_used_at',
    ])
}

function tokenOf(
  row: Awaited<ReturnType<ReturnType<typeof tokenRows>['executeTakeFirstOrThrow']>>,
): TokenDescription {
  return {
    id: row.id,
    account: row.name,
    isAccountDisabled: row.disabled_at !== null,
    label: row.label,
    scope: parseScope(row.scope),
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    revokedAt: row.revoked_at ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
  }
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
    /** Whether the token is for a job or a sign-in; see {@link deleteExpiredBriefTokens}. */
    isBrief: boolean
    groups: readonly string[]
    at: number
  },
): Promise<number> {
  const { id } = await db
    .insertInto('tokens')
    .values({
      account_id: token.accountId,
      hash: token.hash,
      label: token.label,
      scope: formatScope(token.scope),
      created_at: token.at,
      expires_at: token.expiresAt ?? null,
      revoked_at: null,
      is_brief: token.isBrief ? 1 : 0,
      groups: token.groups.length === 0 ? null : JSON.stringify(token.groups),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/**
 * Revokes a token and returns the name of its account. Throws `not_found`, and `conflict` if the token is
 * already revoked.
 */
export async function markTokenRevoked(db: Db, id: number, at: number): Promise<string> {
  const { account, revokedAt } = await getToken(db, id)
  if (revokedAt !== undefined) throw new DepotError('conflict', `token ${id} is already revoked`)
  await db.updateTable('tokens').set({ revoked_at: at }).where('id', '=', id).execute()
  return account
}

export async function updateToken(
  db: Db,
  id: number,
  to: { scope: Scope; expiresAt: number | undefined },
): Promise<void> {
  await db
    .updateTable('tokens')
    .set({ scope: formatScope(to.scope), expires_at: to.expiresAt ?? null })
    .where('id', '=', id)
    .execute()
}

/**
 * Deletes some of the tokens for jobs and sign-ins that expired long ago. The ledger keeps what they did.
 * `now` is the wall clock.
 */
export async function deleteExpiredBriefTokens(db: Db, now: number): Promise<void> {
  const expired = db
    .selectFrom('tokens')
    .select('id')
    .where('is_brief', '=', sql.lit(1)) // a parameter would not use the index of these tokens
    .where('expires_at', '<', now - BRIEF_TOKENS_KEPT_MS)
    .limit(MAX_DELETED_TOKENS)
  await db.deleteFrom('tokens').where('id', 'in', expired).execute()
}

/** Stores when a token was used, unless a later use is stored. */
export async function updateLastUse(db: Db, tokenId: number, at: number): Promise<void> {
  await db
    .updateTable('tokens')
    .set({ last_used_at: at })
    .where('id', '=', tokenId)
    .where((eb) => eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<', at)]))
    .execute()
}

/** Disables an account since `at`, or enables it. */
export async function updateDisabled(
  db: Db,
  accountId: number,
  { isDisabled, at }: { isDisabled: boolean; at: number },
): Promise<void> {
  await db
    .updateTable('accounts')
    .set({ disabled_at: isDisabled ? at : null, updated_at: at })
    .where('id', '=', accountId)
    .execute()
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
    disabledAt: row.disabled_at ?? undefined,
  }
}

function formatScope(scope: Scope): string | null {
  return Object.keys(scope).length === 0 ? null : JSON.stringify(scope)
}

function parseScope(text: string | null): Scope {
  return text === null ? {} : (JSON.parse(text) as Scope)
}
