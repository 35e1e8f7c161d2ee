import { hasRole } from '../access/access.ts'
import type { Authority, Session } from '../access/access.ts'
import { expectTokenReachesView } from '../access/rights.ts'
import { GROUP_PREFIX } from '../access/account-name.ts'
import { DepotError } from '../errors.ts'
import { describeRelease, formatIdent, formatPackageName } from '../package/ident.ts'
import { checkClosure } from './closure.ts'
import { matchesFilter, formatPackageFilter, hasFilter, isInForce } from './freeze.ts'
import { namesOf } from './gate.ts'
import type { Gate, GateName, GateState, Refusal, Requester } from './gate.ts'
import { checkPhases } from './required-phases.ts'
import { checkYanks } from './yanks.ts'
import { changesView, joins } from './plan.ts'
import type { Effect } from './plan.ts'
import type { Act, Gates, View } from './view.ts'

// The gates of a view: the conditions on its changes, as an ordered list of pure functions. Each takes the
// effect of a change and the state that was read for it, and returns its refusals. (The rule of a view is
// something else: it says what `latest` means, see rule.ts.)

const GATES: readonly Gate[] = [
  checkRights,
  checkFreezes,
  checkYanks,
  checkRequirements,
  checkPhases,
  checkClosure,
  checkDowngrades,
  checkSettling,
  checkApproval,
]

/** The gates that an authorized caller can override. Without an override they hold for every caller. */
const OVERRIDABLE: ReadonlySet<GateName> = new Set([
  'freeze',
  'yanked',
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
  const { accountName: account, groups, scope } = caller
  const isAdministrator = caller.isAdministrator && scope.origins === undefined
  const maintains = [...new Set([...caller.roles.keys(), ...(scope.origins ?? [])])].filter((origin) =>
    hasRole(caller, origin, 'maintainer'),
  )
  return {
    account,
    groups,
    isAdministrator,
    maintains: isAdministrator ? 'all' : maintains,
    reaches: scope.origins ?? 'all',
  }
}

/**
 * Returns the refusals of all gates, in their order. Only a freeze can refuse a yank or its end, because
 * these move `latest` by the rule of the view. Only the gate `yanked` can refuse a change without an effect.
 */
export function checkGates(effect: Effect, state: GateState): Refusal[] {
  if (state.act === 'yank' || state.act === 'unyank') return checkFreezes(effect, state)
  // A promotion of yanked releases may change nothing. The refusals then tell the caller why.
  if (!changesView(effect)) return checkYanks(effect, state)
  return GATES.flatMap((gate) => gate(effect, state))
}

/** Reports whether an authorized caller can override a refusal. */
export function isOverridable({ rule, isFinal }: Refusal): boolean {
  return OVERRIDABLE.has(rule) && isFinal !== true
}

/** Reports whether a requester may override the gates of a view; the operator always may. */
export function mayOverride(requester: Requester | undefined, gates: Gates): boolean {
  return (
    requester === undefined || requester.isAdministrator || namesCaller(gates.overriders ?? [], requester)
  )
}

/** An override of the gates of a view, with its reason. */
export interface Override {
  readonly reason: string
}

/** Returns the field of a ledger entry that records an override; none if it was not needed. */
export function recordedOverride(
  override: Override | undefined,
  refusals: readonly string[],
): { override?: { reason: string; refusals: readonly string[] } } {
  return override === undefined || refusals.length === 0
    ? {}
    : { override: { reason: override.reason, refusals } }
}

/** Reports whether a list of a view names an account, or one of the groups of its token. */
export function namesCaller(
  names: readonly string[],
  { account, groups }: Pick<Requester, 'account' | 'groups'>,
): boolean {
  return names.includes(account) || groups.some((group) => names.includes(GROUP_PREFIX + group))
}

/** Reports whether the view names no promoters, or the account is one of them or an administrator. */
export function promotersAllow(requester: Requester, { promoters }: Gates): boolean {
  return promoters === undefined || requester.isAdministrator || namesCaller(promoters, requester)
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
 * approvers or, without approvers, promoters, then only named accounts may, with a token that reaches all of
 * the origins. If the view names neither, maintainers of all of the origins may.
 */
export function mayReject(
  requester: Requester,
  { approval, promoters }: Gates,
  origins: Iterable<string>,
): boolean {
  if (requester.isAdministrator) return true
  const named = approval?.approvers ?? promoters
  if (named !== undefined && !namesCaller(named, requester)) return false
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
  const isApprover = isApproval && namesCaller(view.gates.approval?.approvers ?? [], requester)
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

/**
 * Checks that `latest` has stayed long enough on the lines where it moves, unless the change restores an
 * earlier state.
 */
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

/** Reports whether an act restores releases that the gates allowed before. */
function isUndo(act: Act): boolean {
  return act === 'rollback' || act === 'revert'
}

/** Checks that the requester is a second person, with the right to approve the change. */
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
  if (approval.approvers === undefined || namesCaller(approval.approvers, requester)) return []
  return [{ rule: 'approval', detail: `${requester.account} is not an approver of ${view.name}` }]
}
