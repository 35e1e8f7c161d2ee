import { sql } from 'kysely'
import type { SqlBool } from 'kysely'
import type { Audience } from '../access/access.ts'
import { usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { clockSetBackAt } from '../database/state-store.ts'
import { DepotError, quote } from '../errors.ts'
import type { Clock } from '../clock.ts'
import type { PointerMove } from '../ledger/entry.ts'
import { listHidden } from './dependency-store.ts'
import { releasesIn } from './stored-plan.ts'
import type { PlanEnd, PlannedEffect, StoredPlan } from './stored-plan.ts'
import { releaseKey } from '../package/ident.ts'

/** The maximum number of drafts of one account. The oldest are deleted. */
const MAX_DRAFTS = 100

// Written as literals, so that SQLite matches the partial indexes.
const isDraft = sql<SqlBool>`plans.kind = 'draft'`
const isProposal = sql<SqlBool>`plans.kind = 'proposal'`

/** Returns an SQL condition on `plans`: the plan has not expired. It agrees with `expiryOf`. */
function isOpenAt(now: number) {
  return sql<SqlBool>`(plans.expires_at > ${now} AND (plans.created_at <= ${now} OR coalesce(${clockSetBackAt}, ${now}) + plans.expires_at - plans.created_at > ${now}))`
}

/** Stores a new plan and returns it with its id. `accountId` is `undefined` for the operator's plans. */
export async function insertPlan(
  db: Db,
  accountId: number | undefined,
  plan: Omit<StoredPlan, 'id'>,
): Promise<StoredPlan> {
  const { id } = await db
    .insertInto('plans')
    .values({
      token: plan.token,
      kind: plan.kind,
      view_id: plan.viewId,
      account_id: accountId ?? null,
      request: JSON.stringify(plan.request),
      effect: JSON.stringify(plan.effect),
      digest: plan.digest,
      created_at: plan.createdAt,
      expires_at: plan.expiresAt,
      ended_at: null,
      ending: null,
      decider_id: null,
      revision: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return { id, ...plan }
}

/**
 * Deletes expired drafts, and the oldest drafts of an account with more than {@link MAX_DRAFTS}. Keeps drafts
 * with a preview.
 */
export async function deleteOldDrafts(
  db: Db,
  accountId: number | undefined,
  { now, setBackAt }: Clock,
): Promise<void> {
  const previewed = db.selectFrom('views').select('plan_id').where('plan_id', 'is not', null)
  // This condition uses an index. The exact one cannot, and is needed only after the clock was set back.
  await db
    .deleteFrom('plans')
    .where(isDraft)
    .where('expires_at', '<=', now)
    .where('id', 'not in', previewed)
    .execute()
  if (setBackAt !== undefined)
    await db
      .deleteFrom('plans')
      .where(isDraft)
      .where((eb) => eb.not(isOpenAt(now)))
      .where('id', 'not in', previewed)
      .execute()
  const kept = db
    .selectFrom('plans')
    .select('id')
    .where(isDraft)
    .where('account_id', accountId === undefined ? 'is' : '=', accountId ?? null)
    .orderBy('id', 'desc')
    .limit(MAX_DRAFTS)
  await db
    .deleteFrom('plans')
    .where(isDraft)
    .where('account_id', accountId === undefined ? 'is' : '=', accountId ?? null)
    .where('id', 'not in', kept)
    .where('id', 'not in', previewed)
    .execute()
}

export async function findPlan(db: Db, token: string): Promise<StoredPlan | undefined> {
  const row = await plans(db).where('plans.token', '=', token).executeTakeFirst()
  return row && planOf(row)
}

/** Returns the plan with this token. Throws `not_found`. */
export async function getPlan(db: Db, token: string): Promise<StoredPlan> {
  const plan = await findPlan(db, token)
  if (plan === undefined) throw planNotFound(token)
  return plan
}

/** Returns the error for an absent plan, and for one that is hidden from the caller. */
export function planNotFound(token: string): DepotError {
  return new DepotError('not_found', `there is no plan ${quote(token)}: drafts are deleted after a while`)
}

/** Returns the plan with an id that another row refers to. Throws an internal error if it is absent. */
export async function getPlanById(db: Db, id: number): Promise<StoredPlan> {
  return planOf(await plans(db).where('plans.id', '=', id).executeTakeFirstOrThrow())
}

/**
 * Lists a view's proposals with ids below `before`, newest first. `waitingAt` selects proposals that wait at
 * that time.
 */
export async function listProposals(
  db: Db,
  viewId: number,
  page: { before: number; limit: number; waitingAt?: number },
): Promise<StoredPlan[]> {
  const { waitingAt } = page
  const ids = db
    .selectFrom(usingIndex('plans', waitingAt === undefined ? 'plans_proposed' : 'plans_waiting'))
    .select('plans.id')
    .where('plans.view_id', '=', viewId)
    .where(isProposal)
    .where('plans.id', '<', page.before)
    .$if(waitingAt !== undefined, (query) =>
      query.where('plans.ended_at', 'is', null).where(isOpenAt(waitingAt ?? 0)),
    )
    .orderBy('plans.id', 'desc')
    .limit(page.limit)
  const rows = await plans(db).where('plans.id', 'in', ids).orderBy('plans.id', 'desc').execute()
  return rows.map(planOf)
}

/** Lists the proposals of all open views that have neither ended nor expired at the time `now`. */
export async function listWaitingProposals(db: Db, now: number): Promise<StoredPlan[]> {
  const rows = await plans(db)
    .where('plans.id', 'in', (eb) =>
      eb
        .selectFrom(usingIndex('plans', 'plans_waiting'))
        .select('plans.id')
        .where(isProposal)
        .where('plans.ended_at', 'is', null)
        .where(isOpenAt(now)),
    )
    .where('views.closed_at', 'is', null)
    .orderBy('plans.id')
    .execute()
  return rows.map(planOf)
}

/** Counts a view's proposals that have neither ended nor expired at the time `at`. */
export async function countWaiting(db: Db, viewId: number, at: number): Promise<number> {
  const { count } = await db
    .selectFrom(usingIndex('plans', 'plans_waiting'))
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('plans.view_id', '=', viewId)
    .where(isProposal)
    .where('plans.ended_at', 'is', null)
    .where(isOpenAt(at))
    .executeTakeFirstOrThrow()
  return count
}

export async function endPlan(
  db: Db,
  id: number,
  end: { at: number; how: PlanEnd['how']; deciderId: number | undefined; revision?: number },
): Promise<void> {
  await db
    .updateTable('plans')
    .set({
      ended_at: end.at,
      ending: end.how,
      decider_id: end.deciderId ?? null,
      revision: end.revision ?? null,
    })
    .where('id', '=', id)
    .execute()
}

/** Returns the moves of `latest` in a plan, or none if the plan was deleted. */
export async function readPlannedMoves(db: Db, planId: number): Promise<readonly PointerMove[]> {
  const row = await db.selectFrom('plans').select('effect').where('id', '=', planId).executeTakeFirst()
  return row === undefined ? [] : (JSON.parse(row.effect) as PlannedEffect).pointers
}

/** Returns the plans that the audience may see. A plan that names a hidden release is left out. */
export async function filterVisiblePlans(
  db: Db,
  stored: readonly StoredPlan[],
  audience: Audience,
): Promise<StoredPlan[]> {
  if (audience.seesAll) return [...stored]
  const hidden = await listHidden(
    db,
    stored.flatMap(({ effect }) => releasesIn(effect)),
    audience,
  )
  return stored.filter(({ effect }) => !releasesIn(effect).some((release) => hidden.has(releaseKey(release))))
}

function plans(db: Db) {
  return db
    .selectFrom('plans')
    .innerJoin('views', 'views.id', 'plans.view_id')
    .leftJoin('accounts', 'accounts.id', 'plans.account_id')
    .leftJoin('accounts as deciders', 'deciders.id', 'plans.decider_id')
    .selectAll('plans')
    .select([
      'views.name as view',
      'accounts.name as account',
      'deciders.name as decider',
      clockSetBackAt.as('set_back_at'),
    ])
}

type PlanRow = Awaited<ReturnType<ReturnType<typeof plans>['executeTakeFirstOrThrow']>>

function planOf(row: PlanRow): StoredPlan {
  return {
    id: row.id,
    token: row.token,
    kind: row.kind,
    view: row.view,
    viewId: row.view_id,
    account: row.account ?? undefined,
    request: JSON.parse(row.request) as StoredPlan['request'],
    effect: JSON.parse(row.effect) as PlannedEffect,
    digest: row.digest,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    setBackAt: row.set_back_at ?? undefined,
    end:
      row.ended_at === null || row.ending === null
        ? undefined
        : {
            at: row.ended_at,
            how: row.ending,
            by: row.decider ?? undefined,
            revision: row.revision ?? undefined,
          },
  }
}
