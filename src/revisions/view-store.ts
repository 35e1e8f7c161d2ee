import { sql } from 'kysely'
import type { Selectable } from 'kysely'
import type { Db } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'
import type { ViewsTable } from '../database/tables/views.ts'
import { commonFreezes } from '../database/state-store.ts'
import { DepotError, quote } from '../errors.ts'
import { FIRST_HEAD } from '../ledger/chain.ts'
import { parseFreezes } from './freeze-store.ts'
import { DEFAULT_UNGOVERNED, UNSTABLE } from '../views/view.ts'
import { withNextRule } from '../views/rule.ts'
import { didYouMean } from '../text/nearest.ts'
import type { PastRule, ViewRule } from '../views/rule.ts'
import type { Gates, View, ViewMaker, ViewName, ViewRelease } from '../views/view.ts'

export async function findView(db: Db, name: string): Promise<View | undefined> {
  const [row] = await viewByName(db, { name })
  return row && viewOf(row)
}

const viewByName = prepared<{ name: string }>()((db, { name }) => viewRows(db).where('name', '=', name))

/**
 * Returns the open view of this name. Throws `not_found`, also when the view is closed, with a similar name
 * if there is one.
 */
export async function getView(db: Db, name: string): Promise<View> {
  const view = await findView(db, name)
  if (view === undefined) throw await viewNotFound(db, name)
  if (view.closedAt !== undefined)
    throw new DepotError('not_found', `the view ${quote(name)} is closed; it can be created again`)
  return view
}

async function viewNotFound(db: Db, name: string): Promise<DepotError> {
  const open = await db.selectFrom('views').select('name').where('closed_at', 'is', null).execute()
  const hint = didYouMean(
    name,
    open.map((view) => view.name),
  )
  return new DepotError('not_found', `there is no view ${quote(name)}${hint}`)
}

/** Like {@link getView}, but also finds closed views, whose history stays readable. Throws `not_found`. */
export async function getPastView(db: Db, name: string): Promise<View> {
  const view = await findView(db, name)
  if (view === undefined) throw await viewNotFound(db, name)
  return view
}

/** Returns the view with an id that another row refers to. Throws an internal error if it is absent. */
export async function getViewById(db: Db, id: number): Promise<View> {
  return viewOf(await viewRows(db).where('id', '=', id).executeTakeFirstOrThrow())
}

/** Lists the open views in the order of creation: all, or a page of those after an id. */
export async function listViews(db: Db, page?: { after: number; limit: number }): Promise<View[]> {
  const rows = await viewRows(db)
    .where('closed_at', 'is', null)
    .$if(page !== undefined, (query) => query.where('id', '>', page?.after ?? 0).limit(page?.limit ?? 0))
    .orderBy('id')
    .execute()
  return rows.map(viewOf)
}

/**
 * Reads the revisions of all views by name, with the hashes of their ledger entries. Includes closed views,
 * whose revisions continue if they are reopened.
 */
export async function readRevisions(db: Db): Promise<Map<string, { number: number; hash: string }>> {
  const rows = await db
    .selectFrom('views')
    .leftJoin('ledger', (on) =>
      on.onRef('ledger.view_id', '=', 'views.id').onRef('ledger.revision', '=', 'views.revision'),
    )
    .select(['views.name', 'views.revision as number', 'ledger.hash'])
    .execute()
  return new Map(rows.map(({ name, number, hash }) => [name, { number, hash: hash ?? FIRST_HEAD.hash }]))
}

export async function insertView(
  db: Db,
  view: { name: string; rule: ViewRule; maker: ViewMaker; at: number },
): Promise<number> {
  const { id } = await db
    .insertInto('views')
    .values({
      name: view.name,
      rule: view.rule,
      maker: view.maker,
      created_at: view.at,
      closed_at: null,
      ungoverned: JSON.stringify(DEFAULT_UNGOVERNED),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

export async function closeView(db: Db, viewId: number, at: number): Promise<void> {
  await db
    .updateTable('views')
    .set({ closed_at: at, base_id: null, plan_id: null })
    .where('id', '=', viewId)
    .execute()
}

/**
 * Reopens a closed view, which has no members, with a new rule and maker. The view loses its former gates and
 * freezes, and gets the default list of ungoverned origins. Its revisions continue.
 */
export async function reopenView(
  db: Db,
  view: View,
  as: { rule: ViewRule; maker: ViewMaker },
): Promise<void> {
  const pastRules = withNextRule(view, { rule: as.rule, from: view.revision + 1, isReopened: true })
  await db
    .updateTable('views')
    .set({
      ...as,
      closed_at: null,
      gates: '{}',
      freeze: null,
      ungoverned: JSON.stringify(DEFAULT_UNGOVERNED),
      past_rules: JSON.stringify(pastRules),
    })
    .where('id', '=', view.id)
    .execute()
}

export async function updateGates(db: Db, viewId: number, gates: Gates): Promise<void> {
  await db
    .updateTable('views')
    .set({ gates: JSON.stringify(gates) })
    .where('id', '=', viewId)
    .execute()
}

/** Makes a view a preview of a base view and a plan. */
export async function setPreview(
  db: Db,
  viewId: number,
  preview: { baseId: number; planId: number },
): Promise<void> {
  await db
    .updateTable('views')
    .set({ base_id: preview.baseId, plan_id: preview.planId })
    .where('id', '=', viewId)
    .execute()
}

/** Lists the open previews of a view, or those of one plan. */
export async function listPreviews(db: Db, of: { baseId: number } | { planId: number }): Promise<View[]> {
  const rows = await ('baseId' in of ? previewsOfView(db, of) : previewsOfPlan(db, of))
  return rows.map(viewOf)
}

const previewsOfView = prepared<{ baseId: number }>()((db, { baseId }) =>
  viewRows(db).where('closed_at', 'is', null).where('base_id', '=', baseId).orderBy('id'),
)
const previewsOfPlan = prepared<{ planId: number }>()((db, { planId }) =>
  viewRows(db).where('closed_at', 'is', null).where('plan_id', '=', planId).orderBy('id'),
)

export const setViewRevision = prepared<{ viewId: number; revision: number }>()((db, { viewId, revision }) =>
  db.updateTable('views').set({ revision }).where('id', '=', viewId),
)

/** Sets the rule that holds from the revision `next.from` on. */
export async function setViewRule(db: Db, view: View, next: { rule: ViewRule; from: number }): Promise<void> {
  await db
    .updateTable('views')
    .set({ rule: next.rule, past_rules: JSON.stringify(withNextRule(view, next)) })
    .where('id', '=', view.id)
    .execute()
}

export async function setUngovernedOrigins(
  db: Db,
  viewId: number,
  origins: readonly string[],
): Promise<void> {
  await db
    .updateTable('views')
    .set({ ungoverned: JSON.stringify(origins) })
    .where('id', '=', viewId)
    .execute()
}

/** Lists the views that have a release as a member now, or those whose `latest` skips it. */
export async function listViewsWith(
  db: Db,
  release: ViewRelease,
  { isSkipped }: { isSkipped?: true } = {},
): Promise<View[]> {
  const rows = await db
    .selectFrom('members')
    .innerJoin('views', 'views.id', 'members.view_id')
    .selectAll('views')
    .select([commonFreezes, hasPreviews])
    .where('members.release_id', '=', release.releaseId)
    .where('members.to_revision', 'is', null)
    .$if(isSkipped === true, (query) => query.where('members.is_skipped', '=', 1))
    .orderBy('views.id')
    .execute()
  return rows.map(viewOf)
}

function viewRows(db: Db) {
  return db.selectFrom('views').selectAll('views').select([commonFreezes, hasPreviews])
}

const hasPreviews = sql<0 | 1>`
  EXISTS (SELECT 1 FROM views AS previews WHERE previews.base_id = views.id AND previews.closed_at IS NULL)
`.as('has_previews')

function viewOf(row: Selectable<ViewsTable> & { common_freezes: string | null; has_previews: 0 | 1 }): View {
  const isFreezable = row.name !== UNSTABLE && row.base_id === null
  const common = isFreezable ? parseFreezes(row.common_freezes) : []
  return {
    id: row.id,
    name: row.name as ViewName,
    rule: row.rule,
    pastRules: JSON.parse(row.past_rules) as PastRule[],
    maker: row.maker,
    revision: row.revision,
    createdAt: row.created_at,
    closedAt: row.closed_at ?? undefined,
    ungoverned: JSON.parse(row.ungoverned) as string[],
    gates: JSON.parse(row.gates) as Gates,
    freezes: [
      ...parseFreezes(row.freeze).map((freeze) => ({ ...freeze, isOfAll: false })),
      ...common.map((freeze) => ({ ...freeze, isOfAll: true })),
    ],
    hasPreviews: row.has_previews === 1,
    preview:
      row.base_id === null || row.plan_id === null ? undefined : { baseId: row.base_id, planId: row.plan_id },
  }
}
