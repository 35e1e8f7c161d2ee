import { UNRESTRICTED_AUDIENCE } from '../access/access.ts'
import type { Role, Visibility } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import type { KeyKind } from '../database/tables/origins.ts'
import { prepared } from '../database/prepared.ts'
import type { Slot } from '../database/prepared.ts'
import { DepotError, quote } from '../errors.ts'
import { hasVisible } from '../releases/visible-store.ts'

export interface Origin {
  readonly id: number
  readonly name: string
  readonly ownerId: number
  readonly owner: string
  readonly defaultVisibility: Visibility
  /** Whether its releases and keys come from the upstream depot. */
  readonly isUpstream: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

export interface StoredKey {
  /** The timestamp in the name of the key. */
  readonly revision: string
  /** The key file as uploaded; for a secret key, its ciphertext. */
  readonly body: string
}

export async function findOrigin(db: Db, name: string): Promise<Origin | undefined> {
  const [row] = await originByName(db, { name })
  return row && fromRow(row)
}

const originByName = prepared<{ name: string }>()((db, { name }) =>
  originRows(db).where('origins.name', '=', name),
)

function originRows(db: Db) {
  return db
    .selectFrom('origins')
    .innerJoin('accounts', 'accounts.id', 'origins.owner_id')
    .select([
      'origins.id',
      'origins.name',
      'owner_id',
      'accounts.name as owner',
      'default_visibility',
      'is_upstream',
      'origins.created_at',
      'origins.updated_at',
    ])
    .where('origins.deleted_at', 'is', null)
}

function fromRow(row: Awaited<ReturnType<ReturnType<typeof originRows>['executeTakeFirstOrThrow']>>): Origin {
  return {
    id: row.id,
    name: row.name,
    ownerId: row.owner_id,
    owner: row.owner,
    defaultVisibility: row.default_visibility,
    isUpstream: row.is_upstream === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

/** Returns the origin of this name. Throws `not_found`. */
export async function getOrigin(db: Db, name: string): Promise<Origin> {
  const origin = await findOrigin(db, name)
  if (origin === undefined) throw new DepotError('not_found', `there is no origin ${quote(name)}`)
  return origin
}

/**
 * Lists origins by name, at most `limit` of those after the name `after`. `names` restricts the list to these
 * origins.
 */
export async function listOrigins(
  db: Db,
  { names, after, limit }: { names: readonly string[] | undefined; after: string | undefined; limit: number },
): Promise<Origin[]> {
  const rows = await originRows(db)
    .$if(names !== undefined, (query) => query.where('origins.name', 'in', names ?? []))
    .where('origins.name', '>', after ?? '')
    .orderBy('origins.name')
    .limit(limit)
    .execute()
  return rows.map(fromRow)
}

/** Lists the names of all origins that are not deleted. */
export async function listOriginNames(db: Db): Promise<string[]> {
  const rows = await db
    .selectFrom('origins')
    .select('name')
    .where('deleted_at', 'is', null)
    .orderBy('name')
    .execute()
  return rows.map(({ name }) => name)
}

/** Creates an origin, or recreates a deleted one under its old id. */
export async function insertOrigin(
  db: Db,
  origin: { name: string; ownerId: number; defaultVisibility: Visibility; at: number },
): Promise<number> {
  const fields = {
    owner_id: origin.ownerId,
    default_visibility: origin.defaultVisibility,
    created_at: origin.at,
    updated_at: origin.at,
    deleted_at: null,
    is_upstream: 0,
  }
  const { id } = await db
    .insertInto('origins')
    .values({ name: origin.name, ...fields })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(fields))
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

export async function updateDefaultVisibility(
  db: Db,
  originId: number,
  visibility: Visibility,
  at: number,
): Promise<void> {
  await db
    .updateTable('origins')
    .set({ default_visibility: visibility, updated_at: at })
    .where('id', '=', originId)
    .execute()
}

export async function updateUpstream(
  db: Db,
  originId: number,
  isUpstream: boolean,
  at: number,
): Promise<void> {
  await db
    .updateTable('origins')
    .set({ is_upstream: isUpstream ? 1 : 0, updated_at: at })
    .where('id', '=', originId)
    .execute()
}

/** Lists the names of the upstream origins, in order. */
export async function listUpstreamOrigins(db: Db): Promise<string[]> {
  const rows = await db
    .selectFrom('origins')
    .select('name')
    .where('is_upstream', '=', 1)
    .where('deleted_at', 'is', null)
    .orderBy('name')
    .execute()
  return rows.map(({ name }) => name)
}

export async function updateOwner(db: Db, originId: number, ownerId: number, at: number): Promise<void> {
  await db
    .updateTable('origins')
    .set({ owner_id: ownerId, updated_at: at })
    .where('id', '=', originId)
    .execute()
}

/** Deletes the members, keys and invitations of an origin, and keeps its row for the history of views. */
export async function markOriginDeleted(db: Db, originId: number, at: number): Promise<void> {
  for (const table of ['origin_members', 'origin_keys', 'invitations'] as const)
    await db.deleteFrom(table).where('origin_id', '=', originId).execute()
  await db.updateTable('origins').set({ deleted_at: at }).where('id', '=', originId).execute()
}

/** An origin in the list of a member's origins. */
export interface OwnOrigin extends Omit<Origin, 'owner' | 'isUpstream'> {
  /** The number of packages with releases. */
  readonly packageCount: number
}

/** Lists the origins an account belongs to, by name. */
export async function listOriginsOf(db: Db, accountId: number): Promise<OwnOrigin[]> {
  const rows = await db
    .selectFrom('origins')
    .innerJoin('origin_members', 'origin_members.origin_id', 'origins.id')
    .select([
      'origins.id',
      'origins.name',
      'owner_id',
      'default_visibility',
      'origins.created_at',
      'origins.updated_at',
    ])
    .select((eb) =>
      eb
        .selectFrom('packages')
        .whereRef('packages.origin_id', '=', 'origins.id')
        .where((inner) => hasVisible(inner, UNRESTRICTED_AUDIENCE))
        .select((inner) => inner.fn.countAll<number>().as('count'))
        .as('package_count'),
    )
    .where('origin_members.account_id', '=', accountId)
    .where('origins.deleted_at', 'is', null)
    .orderBy('origins.name')
    .execute()
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    ownerId: row.owner_id,
    defaultVisibility: row.default_visibility,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    packageCount: row.package_count ?? 0,
  }))
}

export async function insertMember(
  db: Db,
  member: { originId: number; accountId: number; role: Role; at: number },
): Promise<void> {
  await db
    .insertInto('origin_members')
    .values({
      origin_id: member.originId,
      account_id: member.accountId,
      role: member.role,
      created_at: member.at,
      updated_at: member.at,
    })
    .execute()
}

export async function findRole(db: Db, originId: number, accountId: number): Promise<Role | undefined> {
  const row = await db
    .selectFrom('origin_members')
    .select('role')
    .where('origin_id', '=', originId)
    .where('account_id', '=', accountId)
    .executeTakeFirst()
  return row?.role
}

export async function updateRole(
  db: Db,
  member: { originId: number; accountId: number; role: Role; at: number },
): Promise<void> {
  await db
    .updateTable('origin_members')
    .set({ role: member.role, updated_at: member.at })
    .where('origin_id', '=', member.originId)
    .where('account_id', '=', member.accountId)
    .execute()
}

export async function deleteMember(db: Db, originId: number, accountId: number): Promise<void> {
  await db
    .deleteFrom('origin_members')
    .where('origin_id', '=', originId)
    .where('account_id', '=', accountId)
    .execute()
}

/** Lists the names of an origin's members, in order. */
export async function listMemberNames(db: Db, originId: number): Promise<string[]> {
  const rows = await db
    .selectFrom('origin_members')
    .innerJoin('accounts', 'accounts.id', 'origin_members.account_id')
    .select('accounts.name')
    .where('origin_members.origin_id', '=', originId)
    .orderBy('accounts.name')
    .execute()
  return rows.map((row) => row.name)
}

/** Lists the members of an origin with their roles, by name. */
export async function listMembers(
  db: Db,
  origin: string,
  page: { after: string | undefined; limit: number },
): Promise<{ account: string; role: Role }[]> {
  return db
    .selectFrom('origin_members')
    .innerJoin('origins', 'origins.id', 'origin_members.origin_id')
    .innerJoin('accounts', 'accounts.id', 'origin_members.account_id')
    .select(['accounts.name as account', 'origin_members.role'])
    .where('origins.name', '=', origin)
    .$if(page.after !== undefined, (query) => query.where('accounts.name', '>', page.after ?? ''))
    .orderBy('accounts.name')
    .limit(page.limit)
    .execute()
}

export async function findKey(
  db: Db,
  origin: string,
  kind: KeyKind,
  revision: string,
): Promise<StoredKey | undefined> {
  const [row] = await keyByName(db, { origin, kind, revision })
  return row
}

const keyByName = prepared<{ origin: string; kind: KeyKind; revision: string }>()(
  (db, { origin, kind, revision }) => keysOf(db, origin, kind).where('origin_keys.revision', '=', revision),
)

/** Finds the key with the highest revision: revisions are timestamps. */
export async function findLatestKey(db: Db, origin: string, kind: KeyKind): Promise<StoredKey | undefined> {
  return keysOf(db, origin, kind).orderBy('origin_keys.revision', 'desc').limit(1).executeTakeFirst()
}

/** Lists the revisions of an origin's keys, newest first. */
export async function listKeyRevisions(db: Db, origin: string, kind: KeyKind): Promise<string[]> {
  const rows = await keysOf(db, origin, kind)
    .orderBy('origin_keys.revision', 'desc')
    .limit(MAX_KEYS)
    .execute()
  return rows.map((row) => row.revision)
}

/** Lists the keys of an origin with revisions before `before`, newest first. */
export async function listKeysBefore(
  db: Db,
  origin: string,
  kind: KeyKind,
  { before, limit }: { before: string | undefined; limit: number },
): Promise<{ revision: string; addedAt: number }[]> {
  const rows = await keysOf(db, origin, kind)
    .select('origin_keys.created_at')
    .$if(before !== undefined, (query) => query.where('origin_keys.revision', '<', before ?? ''))
    .orderBy('origin_keys.revision', 'desc')
    .limit(limit)
    .execute()
  return rows.map(({ revision, created_at }) => ({ revision, addedAt: created_at }))
}

export async function insertKey(
  db: Db,
  key: { originId: number; kind: KeyKind; revision: string; body: string; ownerId: number; at: number },
): Promise<void> {
  await db
    .insertInto('origin_keys')
    .values({
      origin_id: key.originId,
      kind: key.kind,
      revision: key.revision,
      body: key.body,
      owner_id: key.ownerId,
      created_at: key.at,
    })
    .execute()
}

/** The maximum number of keys in a list without pages. */
const MAX_KEYS = 1_000

function keysOf(db: Db, origin: string | Slot<string>, kind: KeyKind | Slot<KeyKind>) {
  return db
    .selectFrom('origin_keys')
    .innerJoin('origins', 'origins.id', 'origin_keys.origin_id')
    .select(['origin_keys.revision', 'origin_keys.body'])
    .where('origins.name', '=', origin)
    .where('origin_keys.kind', '=', kind)
}
