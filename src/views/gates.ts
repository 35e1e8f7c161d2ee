import { hasRole } from '../access/access.ts'
import type { Authority, Session } from '../access/access.ts'
import { expectTokenReachesView } from '../access/rights.ts'
import { DepotError } from '../errors.ts'
import type { Clock } from '../clock.ts'
import type { ReleaseName } from '../package/ident.ts'
import { describeRelease, formatIdent, formatPackageName, releaseKey, releaseName } from '../package/ident.ts'
import { matchesFilter, formatPackageFilter, hasFilter, isInForce } from './freeze.ts'
import { joins } from './plan.ts'
import type { Effect, Move } from './plan.ts'
import type { Act, Gates, View, ViewRelease } from './view.ts'

// The gates of a view: the conditions on its changes, as an ordered list of pure functions. Each takes the
// effect of a change and the state that was read for it, and returns its refusals. (The rule of a view is
// something else: it says what `latest` means, see rule.ts.)

/** The names of gates. `conflict` is the check of a rollback or revert in revisions/evaluate.ts. */
export type GateName =
  | 'rights'
  | 'freeze'
  | 'conflict'
  | 'requires'
  | 'closure'
  | 'downgrade'
  | 'settle'
  | 'approval'

/** A refusal in one sentence. `chain` lists the idents from the requested release to the missing one. */
export interface Refusal {
  /** The gate that refuses. The API and the ledger call it a rule. */
  readonly rule: GateName
  readonly detail: string
  readonly chain?: readonly string[]
  /**
   * The releases that `detail` and `chain` reveal. Only callers who may see all of them get the refusal. A
   * release in `chain` is not listed if the metadata of a listed release names it, since every reader of the
   * metadata knows it already.
   */
  readonly names?: readonly ReleaseName[]
  /** The refusal reveals only the origin of `names`, so callers who may see any of them get it. */
  readonly revealsAny?: true
}

/** The caller of a change, with what gates need to know. */
export interface Requester {
  readonly account: string
  readonly isAdministrator: boolean
  /** Origins in which the caller's role allows promotions. */
  readonly maintains: readonly string[] | 'all'
  /** Origins that the caller's token reaches. */
  readonly reaches: readonly string[] | 'all'
}

/** The state that was read for the gates of a view. Releases that are keys are {@link releaseKey}s or ids. */
export interface GateState {
  readonly view: View
  readonly act: Act
  readonly clock: Clock
  /** `undefined` for the depot itself and the operator's shell. */
  readonly requester: Requester | undefined
  /** The author of the proposal that the requester approves. */
  readonly proposer: string | undefined
  /**
   * For each requirement of the view, the time (epoch milliseconds) since when each release, by id, meets it.
   * Releases that do not meet it are absent.
   */
  readonly metSince: readonly ReadonlyMap<number, number>[]
  /** The moves of `latest` that come soon after another one of the same package and target. */
  readonly unsettled: readonly UnsettledMove[]
  readonly dependencies: Dependencies
  /** By the id of each leaving release, the members that need it. */
  readonly dependents: ReadonlyMap<number, readonly Dependent[]>
}

/** A move of `latest`, and the time (epoch milliseconds) of the one before. */
export interface UnsettledMove {
  readonly move: Move
  readonly movedAt: number
}

/** A member that needs a leaving release. Refusals do not name it if it is not visible to the caller. */
export interface Dependent {
  readonly release: ViewRelease
  readonly isVisible: boolean
}

/** The dependencies of joining releases, and of the releases that these need. */
export interface Dependencies {
  /** The transitive dependencies of each release. */
  readonly tdeps: ReadonlyMap<string, readonly string[]>
  /** The direct dependencies of each release. */
  readonly deps: ReadonlyMap<string, readonly string[]>
  /** The ids of the needed releases that are in the depot. */
  readonly inDepot: ReadonlyMap<string, number>
  /** The ids of those that are in the view before the change. */
  readonly inView: ReadonlySet<number>
}

type Gate = (effect: Effect, state: GateState) => Refusal[]

const GATES: readonly Gate[] = [
  checkRights,
  checkFreezes,
  checkRequirements,
  checkClosure,
  checkDowngrades,
  checkSettling,
  checkApproval,
]

/** The gates that an authorized caller can override. Without an override they hold for every caller. */
const OVERRIDABLE: ReadonlySet<GateName> = new Set([
  'freeze',
  'requires',
  'closure',
  'downgrade',
  'settle',
  'approval',
])

/** Returns the requester of a caller; `undefined` for the operator. */
export function requesterOf(caller: Session): Requester
export function requesterOf(caller: Authority): Requester | undefined
export function requesterOf(caller: Authority): Requester | undefined {
  if (caller === 'operator') return undefined
  const { accountName: account, scope } = caller
  const isAdministrator = caller.isAdministrator && scope.origins === undefined
  const maintains = [...new Set([...caller.roles.keys(), ...(scope.origins ?? [])])].filter((origin) =>
    hasRole(caller, origin, 'maintainer'),
  )
  return {
    account,
    isAdministrator,
    maintains: isAdministrator ? 'all' : maintains,
    reaches: scope.origins ?? 'all',
  }
}

/** Returns the refusals of all gates, in their order. */
export function checkGates(effect: Effect, state: GateState): Refusal[] {
  return GATES.flatMap((gate) => gate(effect, state))
}

export function isOverridable({ rule }: Refusal): boolean {
  return OVERRIDABLE.has(rule)
}

/** Reports whether a requester may override the gates of a view; the operator always may. */
export function mayOverride(requester: Requester | undefined, gates: Gates): boolean {
  return (
    requester === undefined ||
    requester.isAdministrator ||
    gates.overriders?.includes(requester.account) === true
  )
}

/** Reports whether the view names no promoters, or the account is one of them or an administrator. */
export function promotersAllow(requester: Requester, { promoters }: Gates): boolean {
  return promoters === undefined || requester.isAdministrator || promoters.includes(requester.account)
}

/** Throws `forbidden` if the caller may not change any release in the view. */
export function expectMayChangeView(caller: Authority, view: View): void {
  if (caller === 'operator') return
  expectTokenReachesView(caller, view.name)
  const requester = requesterOf(caller)
  if (!promotersAllow(requester, view.gates))
    throw new DepotError('forbidden', `${requester.account} may not change ${view.name}`)
  // A caller without a role in any origin cannot change anything.
  if (view.gates.promoters === undefined && requester.maintains.length === 0)
    throw new DepotError('forbidden', `${requester.account} is not a maintainer of any origin`)
}

/**
 * Reports whether an account may reject a proposal about these origins. Administrators may. If the view names
 * approvers or, failing that, promoters, these may; otherwise maintainers of all of the origins may.
 */
export function mayReject(
  requester: Requester,
  { approval, promoters }: Gates,
  origins: Iterable<string>,
): boolean {
  if (requester.isAdministrator) return true
  const named = approval?.approvers ?? promoters
  if (named !== undefined && !named.includes(requester.account)) return false
  const allowedOrigins = named === undefined ? requester.maintains : requester.reaches
  return allowedOrigins === 'all' || [...origins].every((origin) => allowedOrigins.includes(origin))
}

function checkRights({ steps }: Effect, { view, requester, proposer }: GateState): Refusal[] {
  if (requester === undefined) return []
  const moving = Map.groupBy(
    steps.filter(({ change }) => change !== 'unchanged').map(({ release }) => release),
    ({ ident }) => ident.origin,
  )
  return rightsRefusals(view, moving.keys(), { requester, isApproval: proposer !== undefined }).map(
    ({ origin, ...refusal }) =>
      origin === undefined
        ? refusal
        : { ...refusal, names: namesOf(...(moving.get(origin) ?? [])), revealsAny: true as const },
  )
}

/** Returns why an account may not change releases of these origins in a view, or approve such a change. */
export function rightsRefusals(
  view: View,
  origins: Iterable<string>,
  { requester, isApproval }: { requester: Requester; isApproval: boolean },
): (Refusal & { readonly origin?: string })[] {
  // A named approver needs no role in the origins: the proposer had it.
  const isApprover = isApproval && view.gates.approval?.approvers?.includes(requester.account) === true
  if (!isApprover && !promotersAllow(requester, view.gates))
    return [{ rule: 'rights', detail: `${requester.account} may not change ${view.name}` }]
  // Accounts that the view names as promoters need no role in the origins of what they promote.
  const isNamed = isApprover || view.gates.promoters !== undefined
  const allowedOrigins = isNamed ? requester.reaches : requester.maintains
  const others =
    allowedOrigins === 'all' ? [] : [...origins].filter((origin) => !allowedOrigins.includes(origin))
  return others.map((origin) => ({
    rule: 'rights',
    origin,
    detail: isNamed
      ? `this token does not reach the origin ${origin}`
      : `${requester.account} is not a maintainer of the origin ${origin}`,
  }))
}

/**
 * Checks that no freeze holds for the packages of a change. A change of the view's rule concerns every
 * package, so every freeze refuses it.
 */
function checkFreezes({ steps, rule }: Effect, { view, clock }: GateState): Refusal[] {
  const changed = steps.filter(({ change }) => change !== 'unchanged').map(({ release }) => release)
  return view.freezes.flatMap((freeze) => {
    const release = changed.find(({ ident }) => matchesFilter(freeze, ident))
    if (!isInForce(freeze, clock.now) || (release === undefined && rule === undefined)) return []
    const place = freeze.isOfAll ? 'every view' : view.name
    const until = freeze.until === undefined ? '' : ` until ${new Date(freeze.until).toISOString()}`
    const sentence = `is frozen${until} by ${freeze.by}: ${freeze.reason}`
    if (!hasFilter(freeze)) return [{ rule: 'freeze' as const, detail: `${place} ${sentence}` }]
    return [
      {
        rule: 'freeze' as const,
        detail: `${formatPackageFilter(freeze)} in ${place} ${sentence}`,
        ...(release !== undefined && { names: namesOf(release) }),
      },
    ]
  })
}

/**
 * Checks that joining releases meet the view's requirements. Only promotions are checked: rollbacks and
 * reverts restore releases that met the requirements before.
 */
function checkRequirements({ steps }: Effect, { view, act, clock, metSince }: GateState): Refusal[] {
  if (act !== 'promote') return []
  const refusals: Refusal[] = []
  for (const [index, { view: other, as, soakMs = 0 }] of (view.gates.requires ?? []).entries()) {
    for (const { release } of steps.filter(joins)) {
      const since = metSince[index]?.get(release.releaseId)
      const name = describeRelease(release)
      const names = namesOf(release)
      if (since === undefined)
        refusals.push({
          rule: 'requires',
          detail: `${name} is not ${as === 'member' ? 'in' : 'the answer of latest in'} ${other}`,
          names,
        })
      else if (clock.now - since < soakMs)
        refusals.push({
          rule: 'requires',
          detail: `${name} has been in ${other} since ${new Date(since).toISOString()}, and must stay there until ${new Date(since + soakMs).toISOString()}`,
          names,
        })
    }
  }
  return refusals
}

/**
 * Checks the dependencies of joining releases and, if the closure is the view, the dependents of leaving
 * ones.
 */
function checkClosure(effect: Effect, state: GateState): Refusal[] {
  const { closure } = state.view.gates
  if (closure === undefined) return []
  const leaving = new Set(
    effect.steps.filter(({ change }) => change === 'removed').map(({ release }) => release.releaseId),
  )
  const refusals = checkMissing(effect, state, { closure, leaving })
  return closure === 'view' ? [...refusals, ...checkStillNeeded(effect, state, leaving)] : refusals
}

/**
 * Checks that the dependencies of joining releases are in the depot or, if the closure is the view, in the
 * view after the change.
 */
function checkMissing(
  { steps }: Effect,
  { view, dependencies }: GateState,
  { closure, leaving }: { closure: 'depot' | 'view'; leaving: ReadonlySet<number> },
): Refusal[] {
  const { tdeps, inDepot, inView } = dependencies
  const joining = new Set(steps.filter(joins).map(({ release }) => release.releaseId))
  const isThere = (key: string) => {
    const id = inDepot.get(key)
    if (id === undefined || closure === 'depot') return id !== undefined
    return joining.has(id) || (inView.has(id) && !leaving.has(id))
  }
  const where = closure === 'depot' ? 'the depot' : view.name
  const refusals: Refusal[] = []
  for (const { release } of steps.filter(joins)) {
    const ident = formatIdent(release.ident)
    for (const needed of tdeps.get(releaseKey(release)) ?? []) {
      if (isThere(releaseKey({ ident: needed, target: release.target }))) continue
      const chain = chainTo(needed, ident, release.target, dependencies)
      refusals.push({
        rule: 'closure',
        detail: `${chain.join(' → ')} is not in ${where}`,
        chain,
        names: namesOf(release),
      })
    }
  }
  return refusals
}

/** Checks that no remaining member needs a leaving release. */
function checkStillNeeded(
  { steps }: Effect,
  { view, dependents }: GateState,
  leaving: ReadonlySet<number>,
): Refusal[] {
  const refusals: Refusal[] = []
  for (const { release, change } of steps) {
    if (change !== 'removed') continue
    const needed = formatIdent(release.ident)
    const remaining = (dependents.get(release.releaseId) ?? []).filter(
      (member) => !leaving.has(member.release.releaseId),
    )
    if (remaining.some(({ isVisible }) => !isVisible))
      refusals.push({ rule: 'closure', detail: `something in ${view.name} needs ${needed}` })
    for (const member of remaining.filter(({ isVisible }) => isVisible)) {
      const chain = [formatIdent(member.release.ident), needed]
      refusals.push({
        rule: 'closure',
        detail: `${chain[0]}, which is in ${view.name}, needs ${needed}`,
        chain,
        names: namesOf(member.release, release),
      })
    }
  }
  return refusals
}

/** Returns the shortest chain of direct dependencies between two idents; only these if no chain is known. */
export function chainTo(needed: string, from: string, target: string, { deps }: Dependencies): string[] {
  const cameFrom = new Map<string, string>()
  const waiting = [from]
  for (let ident = waiting.shift(); ident !== undefined; ident = waiting.shift()) {
    for (const next of deps.get(releaseKey({ ident, target })) ?? []) {
      if (next === from || cameFrom.has(next)) continue
      cameFrom.set(next, ident)
      waiting.push(next)
    }
  }
  const chain = [needed]
  for (let ident = cameFrom.get(needed); ident !== undefined; ident = cameFrom.get(ident))
    chain.unshift(ident)
  return chain[0] === from ? chain : [from, needed]
}

/** Checks that `latest` does not go down, unless the change restores an earlier state. */
function checkDowngrades({ moves }: Effect, { view, act }: GateState): Refusal[] {
  if (view.gates.downgrade === undefined || isUndo(act)) return []
  return moves.flatMap(({ from, to }) => {
    if (from === undefined || to === undefined || from.orderKey <= to.orderKey) return []
    return [
      {
        rule: 'downgrade' as const,
        detail: `latest of ${formatPackageName(from.ident)} for ${from.target} would go down from ${formatIdent(from.ident)} to ${formatIdent(to.ident)}`,
        names: namesOf(from, to),
      },
    ]
  })
}

function checkSettling(_effect: Effect, { view, act, unsettled }: GateState): Refusal[] {
  const { settleMs } = view.gates
  if (settleMs === undefined || isUndo(act)) return []
  return unsettled.map(({ move: { from, to }, movedAt }) => {
    const ends = [from, to].filter((end) => end !== undefined)
    const [end] = ends
    const line = end === undefined ? '' : `${formatPackageName(end.ident)} for ${end.target}`
    return {
      rule: 'settle' as const,
      detail: `latest of ${line} moved at ${new Date(movedAt).toISOString()}, and must stay until ${new Date(movedAt + settleMs).toISOString()}`,
      names: namesOf(...ends),
    }
  })
}

/** Whether an act restores releases that the rules allowed before. */
function isUndo(act: Act): boolean {
  return act === 'rollback' || act === 'revert'
}

/** Checks that a second person, who may do so, approves the change. */
function checkApproval(_effect: Effect, { view, requester, proposer }: GateState): Refusal[] {
  const { approval } = view.gates
  if (approval === undefined || requester === undefined) return []
  if (proposer === undefined)
    return [
      {
        rule: 'approval',
        detail: `${view.name} changes only with the approval of a second person: propose the change`,
      },
    ]
  if (proposer === requester.account)
    return [
      { rule: 'approval', detail: `${requester.account} proposed this change: someone else must approve it` },
    ]
  if (approval.approvers === undefined || approval.approvers.includes(requester.account)) return []
  return [{ rule: 'approval', detail: `${requester.account} is not an approver of ${view.name}` }]
}

function namesOf(...releases: readonly ViewRelease[]): ReleaseName[] {
  return releases.map(releaseName)
}
