import type { Clock } from '../clock.ts'
import type { Db } from '../database/database.ts'
import { readClockSetBackAt } from '../database/state-store.ts'
import { releaseKey } from '../package/ident.ts'
import { listWaitingProposals } from '../revisions/plan-store.ts'
import { releasesIn } from '../revisions/stored-plan.ts'
import { listViews } from '../revisions/view-store.ts'
import { isInForce } from '../views/freeze.ts'
import { DEFAULT_HISTORY_MS, formatScope } from '../views/retention-rule.ts'
import type { RetentionRule } from '../views/retention-rule.ts'
import { UNSTABLE } from '../views/view.ts'
import type { View } from '../views/view.ts'
import { listRules, listUnsettledScopes } from './rule-store.ts'

/** What may keep releases now: all facts about the whole depot that {@link listNeeds} must know. */
export interface Keepers {
  readonly clock: Clock
  /** The rules, by their scope as text. */
  readonly rules: ReadonlyMap<string, RetentionRule>
  /** The open views, by id. */
  readonly views: ReadonlyMap<number, KeepingView>
  /** The open proposals that name a release, by `ident target`. */
  readonly proposals: ReadonlyMap<string, readonly NeedingProposal[]>
}

/** A view that keeps releases. */
export interface KeepingView {
  readonly view: View
  /** How many members of each line stay, in the order of the view's rule. Infinite without a limit. */
  readonly keepLast: number
  /** Members that joined after this revision stay, too. */
  readonly newerThanRevision: number
  /** Releases that left the view after this revision stay for now. */
  readonly historyRevision: number
}

/** An open proposal. */
export interface NeedingProposal {
  readonly plan: string
  readonly view: string
}

/**
 * Reads what may keep releases. With `onlySettled`, a scope whose rule was set, changed or removed less than
 * {@link SETTLED_AFTER_MS} ago keeps all of its releases. This parses every open proposal, so call it once
 * for many releases.
 */
export async function readKeepers(
  db: Db,
  now: number,
  { onlySettled = false }: { onlySettled?: boolean } = {},
): Promise<Keepers> {
  const clock = { now, setBackAt: await readClockSetBackAt(db) }
  const rules = new Map<string, RetentionRule>()
  for (const { scope, rule } of await listRules(db)) rules.set(formatScope(scope), rule)
  const unsettled = onlySettled ? await listUnsettledScopes(db, clock) : new Set<string>()
  for (const scope of unsettled) rules.set(scope, { keepAll: true })
  const revisionsAt = rememberRevisions(db)
  const views = new Map<number, KeepingView>()
  for (const view of await listViews(db)) {
    const rule = rules.get(formatScope({ of: 'view', view: view.name }))
    const { keepLast = 1, newerThanMs, keepAll } = rule ?? {}
    const historyMs = rule?.historyMs ?? (hasHistory(view) ? DEFAULT_HISTORY_MS : 0)
    const isLimited = rule?.keepLast !== undefined || newerThanMs !== undefined
    const revisionBefore = async (ms: number) => (await revisionsAt(now - ms)).get(view.id) ?? 0
    views.set(view.id, {
      view: { ...view, freezes: view.freezes.filter((freeze) => isInForce(freeze, now)) },
      keepLast: isLimited ? keepLast : Infinity,
      newerThanRevision: newerThanMs === undefined ? Infinity : await revisionBefore(newerThanMs),
      historyRevision: keepAll === true ? 0 : historyMs === 0 ? Infinity : await revisionBefore(historyMs),
    })
  }
  const proposals = new Map<string, NeedingProposal[]>()
  for (const { token, view, effect } of await listWaitingProposals(db, now))
    for (const key of new Set(releasesIn(effect).map(releaseKey)))
      proposals.set(key, [...(proposals.get(key) ?? []), { plan: token, view }])
  return { clock, rules, views, proposals }
}

/** Nothing leaves `unstable`, and a preview follows its view. */
function hasHistory({ name, preview }: View): boolean {
  return name !== UNSTABLE && preview === undefined
}

/** Returns a function that reads the revisions that all open views had at a time, once for each time. */
function rememberRevisions(db: Db): (time: number) => Promise<ReadonlyMap<number, number>> {
  const known = new Map<number, Promise<ReadonlyMap<number, number>>>()
  return (time) => {
    const found = known.get(time) ?? listRevisionsAt(db, time)
    known.set(time, found)
    return found
  }
}

async function listRevisionsAt(db: Db, time: number): Promise<ReadonlyMap<number, number>> {
  const rows = await db
    .selectFrom('views')
    .select((eb) => [
      'views.id',
      eb
        .selectFrom('ledger')
        .select('ledger.revision')
        .whereRef('ledger.view_id', '=', 'views.id')
        .where('ledger.revision', 'is not', null)
        .where('ledger.at', '<=', time)
        .orderBy('ledger.at', 'desc')
        .limit(1)
        .as('revision'),
    ])
    .where('views.closed_at', 'is', null)
    .execute()
  return new Map(rows.map(({ id, revision }) => [id, revision ?? 0]))
}
