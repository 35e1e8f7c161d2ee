import { createHash } from 'node:crypto'
import { inserter } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { releaseKey } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'

/** The maximum number of registered lockfiles. */
export const MAX_REGISTERED_LOCKFILES = 1_000
/** The maximum number of releases of a registered lockfile, as in one change of a view. */
export const MAX_REGISTERED_RELEASES = 10_000

/** A lockfile whose releases are kept. */
export interface RegisteredLockfile {
  readonly name: string
  /** The SHA-256 of its text, in hexadecimal. */
  readonly digest: string
  /** The view that its text names, which may be a view of another depot, and the revision of that view. */
  readonly view: string
  readonly revision: number
  /** The account that registered it; `undefined` for the operator's shell. */
  readonly by: string | undefined
  /** Epoch milliseconds. */
  readonly since: number
  /** How many releases it keeps. */
  readonly releases: number
}

/** Lists the registered lockfiles by name, at most {@link MAX_REGISTERED_LOCKFILES}. */
export async function listRegisteredLockfiles(db: Db): Promise<RegisteredLockfile[]> {
  const rows = await registered(db).orderBy('registered_lockfiles.name').execute()
  return rows.map((row) => ({ ...row, by: row.by ?? undefined, releases: row.releases ?? 0 }))
}

/** Finds a registered lockfile with its id. */
export async function findRegisteredLockfile(
  db: Db,
  name: string,
): Promise<(RegisteredLockfile & { readonly id: number }) | undefined> {
  const row = await registered(db)
    .select('registered_lockfiles.id')
    .where('registered_lockfiles.name', '=', name)
    .executeTakeFirst()
  return row && { ...row, by: row.by ?? undefined, releases: row.releases ?? 0 }
}

/** Counts the registered lockfiles. */
export async function countRegisteredLockfiles(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('registered_lockfiles')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}

/** Stores a lockfile with the releases that it keeps. */
export async function insertRegisteredLockfile(
  db: Db,
  lockfile: Pick<RegisteredLockfile, 'name' | 'digest' | 'view' | 'revision'> & {
    accountId: number | undefined
    at: number
  },
  releaseIds: readonly number[],
): Promise<void> {
  const { accountId, ...values } = lockfile
  const { id } = await db
    .insertInto('registered_lockfiles')
    .values({ ...values, account_id: accountId ?? null })
    .returning('id')
    .executeTakeFirstOrThrow()
  await insertReleases(
    db,
    releaseIds.map((release_id) => ({ release_id })),
    { lockfile_id: id },
  )
}

const insertReleases = inserter('registered_releases', ['release_id'], { shared: ['lockfile_id'] })

/** Removes a registered lockfile. */
export async function deleteRegisteredLockfile(db: Db, id: number): Promise<void> {
  await db.deleteFrom('registered_releases').where('lockfile_id', '=', id).execute()
  await db.deleteFrom('registered_lockfiles').where('id', '=', id).execute()
}

/** Lists the releases of a registered lockfile, in the order of {@link digestOfReleases}. */
export async function listRegisteredReleases(db: Db, name: string): Promise<ReleaseName[]> {
  return db
    .selectFrom('registered_lockfiles')
    .innerJoin('registered_releases', 'registered_releases.lockfile_id', 'registered_lockfiles.id')
    .innerJoin('releases', 'releases.id', 'registered_releases.release_id')
    .select(['releases.ident', 'releases.target'])
    .where('registered_lockfiles.name', '=', name)
    .orderBy('releases.ident')
    .orderBy('releases.target')
    .execute()
}

/** Returns a digest of the releases of a lockfile, which are sorted by ident and target. */
export function digestOfReleases(releases: readonly ReleaseName[]): string {
  return createHash('sha256').update(releases.map(releaseKey).join('\n')).digest('hex')
}

function registered(db: Db) {
  return db
    .selectFrom('registered_lockfiles')
    .leftJoin('accounts', 'accounts.id', 'registered_lockfiles.account_id')
    .select((eb) => [
      'registered_lockfiles.name',
      'registered_lockfiles.digest',
      'registered_lockfiles.view',
      'registered_lockfiles.revision',
      'accounts.name as by',
      'registered_lockfiles.at as since',
      eb
        .selectFrom('registered_releases')
        .select((inner) => inner.fn.countAll<number>().as('releases'))
        .whereRef('registered_releases.lockfile_id', '=', 'registered_lockfiles.id')
        .as('releases'),
    ])
}
