import type { Audience } from '../access/access.ts'
import { inBatches } from '../database/batches.ts'
import { usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'
import { visibleTo } from '../releases/visible-store.ts'

// A channel is a view as Habitat's clients see it: each origin has channels of its own. The channel of an
// origin exists while it is declared, or while the view contains releases of the origin.

/** A row of a channel. Times are epoch milliseconds. */
export interface Channel {
  readonly id: number
  readonly viewId: number
  readonly ownerId: number
  /**
   * Whether an account created the channel. Otherwise it exists only while the view has releases of the
   * origin.
   */
  readonly isDeclared: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

/**
 * Finds the channel's row. It may exist while the channel does not exist for clients; see {@link
 * channelExists}.
 */
export async function findChannel(db: Db, originId: number, viewId: number): Promise<Channel | undefined> {
  const row = await db
    .selectFrom('channels')
    .selectAll()
    .where('origin_id', '=', originId)
    .where('view_id', '=', viewId)
    .executeTakeFirst()
  return (
    row && {
      id: row.id,
      viewId: row.view_id,
      ownerId: row.owner_id,
      isDeclared: row.is_declared === 1,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    }
  )
}

/** Reports whether a view is a channel of an origin for clients. */
export async function channelExists(db: Db, originId: number, viewId: number): Promise<boolean> {
  return (await listOriginsWithChannel(db, viewId, [originId])).has(originId)
}

/** Returns those of the origins that have the view as a channel. */
export async function listOriginsWithChannel(
  db: Db,
  viewId: number,
  originIds: Iterable<number>,
): Promise<Set<number>> {
  const found = new Set<number>()
  for (const batch of inBatches(originIds)) {
    const rows = await db
      .selectFrom('channels')
      .select('origin_id')
      .where('view_id', '=', viewId)
      .where('origin_id', 'in', batch)
      .where((eb) =>
        eb.or([
          eb('is_declared', '=', 1),
          eb.exists(
            eb
              .selectFrom('packages')
              .crossJoin(usingIndex('members', 'members_current')) // the order of a cross join is kept: packages first
              .select('members.release_id')
              .whereRef('packages.origin_id', '=', 'channels.origin_id')
              .where('members.view_id', '=', viewId)
              .whereRef('members.package_id', '=', 'packages.id')
              .where('members.to_revision', 'is', null),
          ),
        ]),
      )
      .execute()
    for (const row of rows) found.add(row.origin_id)
  }
  return found
}

/**
 * Channels of Builder's jobs start with `bldr-` (habitat-today.md 3.2). `.` follows `-` in ASCII, so `bldr.`
 * ends the range.
 */
const JOB_CHANNELS = { from: 'bldr-', to: 'bldr.' }

/**
 * Lists the names of an origin's channels, in byte order. A channel that is not declared is listed if the
 * audience may see a member of it.
 */
export async function listChannelNames(
  db: Db,
  origin: string,
  options: { audience: Audience; withJobChannels: boolean },
): Promise<string[]> {
  const rows = await db
    .selectFrom('channels')
    .innerJoin('origins', 'origins.id', 'channels.origin_id')
    .innerJoin('views', 'views.id', 'channels.view_id')
    .select('views.name')
    .where('origins.name', '=', origin)
    .where('views.closed_at', 'is', null)
    .where((eb) =>
      eb.or([
        eb('channels.is_declared', '=', 1),
        eb.exists(
          eb
            .selectFrom('packages')
            .crossJoin(usingIndex('members', 'members_current')) // the order of a cross join is kept: packages first
            .innerJoin('releases', 'releases.id', 'members.release_id')
            .select('members.release_id')
            .whereRef('members.view_id', '=', 'channels.view_id')
            .whereRef('members.package_id', '=', 'packages.id')
            .whereRef('packages.origin_id', '=', 'channels.origin_id')
            .where('members.to_revision', 'is', null)
            .where((inner) => visibleTo(inner, options.audience)),
        ),
      ]),
    )
    .$if(!options.withJobChannels, (query) =>
      query.where((eb) =>
        eb.or([eb('views.name', '<', JOB_CHANNELS.from), eb('views.name', '>=', JOB_CHANNELS.to)]),
      ),
    )
    .orderBy('views.name')
    .execute()
  return rows.map((row) => row.name)
}

export async function insertChannel(
  db: Db,
  channel: { originId: number; viewId: number; ownerId: number; isDeclared: boolean; at: number },
): Promise<void> {
  await db
    .insertInto('channels')
    .values({
      origin_id: channel.originId,
      view_id: channel.viewId,
      owner_id: channel.ownerId,
      is_declared: channel.isDeclared ? 1 : 0,
      created_at: channel.at,
      updated_at: channel.at,
    })
    .execute()
}

/**
 * Makes the view a channel of each of the origins, unless it is one already. Without `ownerId`, the origin's
 * owner owns the channel.
 */
export async function ensureChannels(
  db: Db,
  channel: { originIds: Iterable<number>; viewId: number; ownerId: number | undefined; at: number },
): Promise<void> {
  const { viewId, ownerId = null, at } = channel
  for (const originIds of inBatches(channel.originIds))
    await addChannels(db, { originIds, viewId, ownerId, at })
}

const addChannels = prepared<{
  originIds: readonly number[]
  viewId: number
  ownerId: number | null
  at: number
}>()((db, { originIds, viewId, ownerId, at }) =>
  db
    .insertInto('channels')
    .columns(['origin_id', 'view_id', 'owner_id', 'is_declared', 'created_at', 'updated_at'])
    .expression((eb) =>
      eb
        .selectFrom('origins')
        .select([
          'id',
          viewId.as('view_id'),
          eb.fn.coalesce(ownerId, 'owner_id').as('owner_id'),
          eb.lit(0).as('is_declared'),
          at.as('created_at'),
          at.as('updated_at'),
        ])
        .where('id', 'in', originIds),
    )
    .onConflict((conflict) => conflict.doNothing()),
)

/** Declares a channel that has a row already, and sets its owner. */
export async function markChannelDeclared(
  db: Db,
  channelId: number,
  ownerId: number,
  at: number,
): Promise<void> {
  await db
    .updateTable('channels')
    .set({ is_declared: 1, owner_id: ownerId, updated_at: at })
    .where('id', '=', channelId)
    .execute()
}

export async function deleteChannel(db: Db, channelId: number): Promise<void> {
  await db.deleteFrom('channels').where('id', '=', channelId).execute()
}

/** Deletes the channels of a closed view, so that a later view of the same name does not inherit them. */
export async function deleteChannelsOf(db: Db, viewId: number): Promise<void> {
  await db.deleteFrom('channels').where('view_id', '=', viewId).execute()
}

/** Reports whether any origin has a row for this view as its channel. */
export async function hasChannels(db: Db, viewId: number): Promise<boolean> {
  const row = await db
    .selectFrom('channels')
    .select('id')
    .where('view_id', '=', viewId)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
