import { audienceOfChanges } from '../access/access.ts'
import type { Audience, Authority } from '../access/access.ts'
import { readStandings } from '../changes/standing-store.ts'
import type { Db } from '../database/database.ts'
import { DepotError, refusalOf } from '../errors.ts'
import type { Clock } from '../clock.ts'
import type { ReleaseName } from '../package/ident.ts'
import { formatIdent, releaseKey, releaseName } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import type { Conflict } from './restore.ts'
import { listDependentMembers, listHidden, readDependencies } from './dependency-store.ts'
import { listUnsettled, readMetSince } from './gate-store.ts'
import { chainTo } from '../views/closure.ts'
import { requesterOf, isOverridable, checkGates, mayOverride } from '../views/gates.ts'
import type { Override } from '../views/gates.ts'
import type { Dependencies, Refusal, UnsettledMove } from '../views/gate.ts'
import { readPresentState } from './pointer-store.ts'
import { changesView, joins, planChange } from '../views/plan.ts'
import type { Effect, ViewDelta } from '../views/plan.ts'
import { SETTLING_MS } from '../views/view.ts'
import type { Act, Requirement, View } from '../views/view.ts'

/** What the gates of a view need to know about a change, besides the change itself. */
export interface EvaluationContext {
  readonly act: Act
  readonly clock: Clock
  /** The holder of the rights that the change needs. */
  readonly caller: Authority
  /**
   * The audience that limits the search for dependencies. It is that of the caller or, for a plan, that of
   * the plan's author when the plan was made.
   */
  readonly audience: Audience
  /** The author of the proposal, if the caller approves one. */
  readonly proposer?: string | undefined
  /** Conflicts found while the request was resolved. They become refusals. */
  readonly conflicts?: readonly Conflict[]
  /** Whether the evaluation lists missing dependencies, even if no gate needs them. */
  readonly findsMissing?: boolean
  /** Whether unsettled moves are found even if no gate needs them. */
  readonly findsUnsettled?: boolean
  /** The effects of changes of other views that are made together with this one, by view. */
  readonly madeTogether?: ReadonlyMap<string, Effect>
}

/** A dependency that is not in the depot. */
export interface Missing {
  readonly ident: string
  readonly target: Target
  /** Idents from the requested release to the missing one. */
  readonly chain: readonly string[]
}

export interface Evaluation {
  readonly effect: Effect
  readonly refusals: readonly Refusal[]
  /** Empty unless the context has `findsMissing`. */
  readonly missing: readonly Missing[]
  /** Moves that come within the settling time after the previous one. */
  readonly unsettled: readonly UnsettledMove[]
}

const NO_DEPENDENCIES: Dependencies = {
  tdeps: new Map(),
  deps: new Map(),
  inDepot: new Map(),
  announced: new Set(),
  inView: new Set(),
}

/**
 * Computes the effect of a change on the present view, and the refusals of the view's gates. Changes nothing.
 */
export async function evaluate(
  db: Db,
  view: View,
  delta: ViewDelta,
  context: EvaluationContext,
): Promise<Evaluation> {
  const rule = delta.rule ?? view.rule
  const effect = planChange(rule, delta, await readPresentState(db, { id: view.id, rule }, delta))
  const { gates } = view
  const joining = effect.steps.filter(joins).map(({ release }) => release)
  const metSince = await Promise.all(
    (gates.requires ?? []).map(async (requirement) =>
      metAfter(await readMetSince(db, requirement, joining, context.clock), requirement, context),
    ),
  )
  const standings = await Promise.all(
    (gates.requires ?? []).map((requirement) => readStandings(db, requirement, joining)),
  )
  const dependencies =
    gates.closure !== undefined || context.findsMissing === true
      ? await readDependencies(db, view.id, joining, context.audience)
      : NO_DEPENDENCIES
  const dependents =
    gates.closure === 'view'
      ? await listDependentMembers(db, view.id, delta.leaving, context.audience)
      : new Map<number, never>()
  const unsettled =
    gates.settleMs !== undefined || context.findsUnsettled === true
      ? await listUnsettled(db, view.id, effect.moves, {
          clock: context.clock,
          settlingMs: gates.settleMs ?? SETTLING_MS,
        })
      : []
  const state = {
    view,
    act: context.act,
    clock: context.clock,
    requester: requesterOf(context.caller),
    proposer: context.proposer,
    metSince,
    standings,
    unsettled,
    dependencies,
    dependents,
  }
  const conflicts = (context.conflicts ?? []).map((conflict) => ({ rule: 'conflict' as const, ...conflict }))
  const refusals = await withoutHidden(
    db,
    [
      ...(changesView(effect) ? await checkVisibility(db, effect, context) : []),
      ...checkGates(effect, state),
      ...conflicts,
    ],
    context.audience,
  )
  const missing = context.findsMissing === true ? missingOf(effect, dependencies) : []
  return { effect, refusals, missing, unsettled }
}

/**
 * Returns since when releases meet a requirement, after the change of the required view that is made together
 * with this change, if there is such a change. `before` has the times before that change.
 */
function metAfter(
  before: ReadonlyMap<number, number>,
  { view, as }: Requirement,
  { clock, madeTogether }: EvaluationContext,
): ReadonlyMap<number, number> {
  const effect = madeTogether?.get(view)
  if (effect === undefined) return before
  const since = new Map(before)
  if (as === 'current') {
    for (const { from, to } of effect.moves) {
      if (from !== undefined) since.delete(from.releaseId)
      if (to !== undefined) since.set(to.releaseId, clock.now)
    }
    return since
  }
  for (const step of effect.steps) {
    const { releaseId } = step.release
    if (step.change === 'removed') since.delete(releaseId)
    else if (!since.has(releaseId)) since.set(releaseId, clock.now)
  }
  return since
}

/**
 * Refuses changes of releases that the caller may not see. This is possible because a promoter of a view
 * needs no role in the origins of its releases.
 */
async function checkVisibility(
  db: Db,
  { steps, moves }: Effect,
  { caller }: EvaluationContext,
): Promise<Refusal[]> {
  const audience = audienceOfChanges(caller)
  if (caller === 'operator' || audience.seesAll) return []
  const changed = steps.filter(({ change }) => change !== 'unchanged').map(({ release }) => release)
  const hidden = await listHidden(
    db,
    [...changed, ...moves.flatMap(({ from, to }) => [from, to].filter((end) => end !== undefined))].map(
      releaseName,
    ),
    audience,
  )
  return hidden.size === 0
    ? []
    : [{ rule: 'rights', detail: `this would change releases that ${caller.accountName} may not see` }]
}

/**
 * Removes hidden releases from refusals. A refusal whose sentence reveals a hidden release keeps only the
 * name of its gate. With `revealsAny`, a refusal keeps its sentence unless all its releases are hidden.
 */
export async function withoutHidden(
  db: Db,
  refusals: readonly Refusal[],
  audience: Audience,
): Promise<readonly Refusal[]> {
  if (audience.seesAll || refusals.length === 0) return refusals
  const hidden = await listHidden(
    db,
    refusals.flatMap(({ names = [] }) => names),
    audience,
  )
  const isUnseen = (release: ReleaseName) => hidden.has(releaseKey(release))
  const isHidden = ({ names = [], revealsAny }: Refusal) =>
    revealsAny === true ? names.every(isUnseen) : names.some(isUnseen)
  const distinct = new Map<string, Refusal>()
  for (const refusal of refusals) {
    const { rule, names, isFinal } = refusal
    const shown: Refusal = isHidden(refusal)
      ? {
          rule,
          detail: `the rule ${rule} refuses this because of releases that are not visible to everyone`,
          ...(isFinal && { isFinal }),
        }
      : { ...refusal, ...(names && { names: names.filter((name) => !isUnseen(name)) }) }
    // Each sentence appears once, because repetitions would reveal how many releases are hidden.
    distinct.set(`${shown.rule} ${shown.detail}`, shown)
  }
  return [...distinct.values()]
}

/**
 * Returns the refusals that the caller overrides. Throws `forbidden` if the caller may not override, or if a
 * refusal is about rights; the error then shows no other refusals. Throws `conflict` or `refused`, with each
 * refusal as a part, if a refusal is not overridden.
 */
export function expectAllowed(
  view: View,
  refusals: readonly Refusal[],
  { caller, override }: { caller: Authority; override?: Override | undefined },
): readonly Refusal[] {
  if (override !== undefined) {
    const requester = requesterOf(caller)
    if (!mayOverride(requester, view.gates))
      throw new DepotError('forbidden', `${requester?.account} may not override the rules of ${view.name}`)
  }
  const remaining = override === undefined ? refusals : refusals.filter((refusal) => !isOverridable(refusal))
  if (remaining.length === 0) return refusals
  const rights = remaining.filter(({ rule }) => rule === 'rights')
  if (rights.length > 0) throw refusalOf('forbidden', rights)
  const code = remaining.some(({ rule }) => rule === 'conflict') ? 'conflict' : 'refused'
  throw refusalOf(code, remaining)
}

function missingOf({ steps }: Effect, dependencies: Dependencies): Missing[] {
  const missing: Missing[] = []
  const known = new Set<string>()
  for (const { release } of steps.filter(joins)) {
    const ident = formatIdent(release.ident)
    for (const needed of dependencies.tdeps.get(releaseKey(release)) ?? []) {
      const key = releaseKey({ ident: needed, target: release.target })
      if (dependencies.inDepot.has(key) || known.has(key)) continue
      known.add(key)
      missing.push({
        ident: needed,
        target: release.target,
        chain: chainTo(needed, ident, release.target, dependencies),
      })
    }
  }
  return missing
}
