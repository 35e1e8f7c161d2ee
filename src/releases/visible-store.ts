import { sql } from 'kysely'
import type { Expression, ExpressionBuilder, SqlBool } from 'kysely'
import type { Audience } from '../access/access.ts'
import { unindexed, usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import type { Slot } from '../database/prepared.ts'
import type { Schema } from '../database/schema.ts'

// SQL conditions about who may see releases.

/** The condition of the partial index `releases_not_public`. */
export const NOT_PUBLIC = sql<SqlBool>`releases.visibility <> 'public'`

/** An {@link Audience}, or one whose origins are an argument of a prepared query. */
type AudienceOrSlot = Audience | { readonly seesAll: false; readonly origins: Slot<string> }

/** Returns an SQL condition on `releases`: the audience may see the release. */
export function visibleTo(
  eb: ExpressionBuilder<Schema, 'releases'>,
  { seesAll, origins }: AudienceOrSlot,
): Expression<SqlBool> {
  if (seesAll) return eb.lit(true)
  const isPublic = eb('releases.visibility', '=', 'public')
  if (!('placeholder' in origins) && origins.length === 0) return isPublic
  // An origin that was deleted and created again may have other members, who may not see the earlier
  // releases.
  const ofMembers = eb
    .selectFrom('packages')
    .innerJoin('origins', 'origins.id', 'packages.origin_id')
    .select('packages.id')
    .whereRef('packages.id', '=', 'releases.package_id')
    .whereRef('origins.created_at', '<=', 'releases.created_at')
    .where('origins.name', 'in', origins)
  return eb.or([isPublic, eb.exists(ofMembers)])
}

/**
 * Returns an SQL condition on `members`: the membership holds now or, with a revision, held then. Keeps
 * SQLite from using an index on `from_revision`, with which it would scan all earlier memberships of the
 * view.
 */
export function holdsAt(
  eb: ExpressionBuilder<Schema, 'members'>,
  revision: number | undefined,
): Expression<SqlBool> {
  if (revision === undefined) return eb('members.to_revision', 'is', null)
  return eb.and([
    eb(unindexed(eb.ref('members.from_revision')), '<=', revision),
    eb.or([eb('members.to_revision', 'is', null), eb('members.to_revision', '>', revision)]),
  ])
}

/**
 * Returns an SQL condition on `packages`: the package has a visible release, of the version if one is given.
 */
export function hasVisible(
  eb: ExpressionBuilder<Schema, 'packages'>,
  audience: Audience,
  version?: string,
): Expression<SqlBool> {
  return eb.exists(
    eb
      .selectFrom(usingIndex('releases', 'releases_of_package'))
      .select('releases.id')
      .whereRef('releases.package_id', '=', 'packages.id')
      .where('releases.deleted_at', 'is', null)
      .where((inner) => visibleTo(inner, audience))
      .$if(version !== undefined, (query) => query.where('releases.version', '=', version ?? '')),
  )
}

/** Returns an SQL condition on `packages`: the package has or had a release that is not public. */
export function hasNotPublic(eb: ExpressionBuilder<Schema, 'packages'>): Expression<SqlBool> {
  return eb.exists(
    eb
      .selectFrom(usingIndex('releases', 'releases_not_public'))
      .select('releases.id')
      .whereRef('releases.package_id', '=', 'packages.id')
      .where(NOT_PUBLIC),
  )
}

/** Returns the opposite of {@link visibleTo}. Lets SQLite use the index `releases_not_public`. */
export function invisibleTo(
  eb: ExpressionBuilder<Schema, 'releases'>,
  audience: Audience,
): Expression<SqlBool> {
  return eb.and([NOT_PUBLIC, eb.not(visibleTo(eb, audience))])
}

/** Selects the releases that are not deleted and that an audience may see. */
export function visible(db: Db, audience: Audience) {
  const releases = db.selectFrom('releases').where('releases.deleted_at', 'is', null)
  return audience.seesAll ? releases : releases.where((eb) => visibleTo(eb, audience))
}
