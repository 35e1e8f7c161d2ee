import { hasRole } from '../access/access.ts'
import type { Authority, Session } from '../access/access.ts'
import { expectView } from '../access/rights.ts'
import { DepotError } from '../errors.ts'
import type { Clock } from '../clock.ts'
import type { ReleaseName } from '../package/ident.ts'
import { formatIdent } from '../package/ident.ts'
import { concerns, formatOnly, isRestricted, lasts } from './freeze.ts'
import { joins } from './plan.ts'
import type { Effect } from './plan.ts'
import type { Act, Gates, View, ViewRelease } from './view.ts'

// What must be true before a view changes: one ordered list of pure functions, each of which looks at what a change would do and at
// what was read for it, and answers with its refusals, a sentence each.

export type Rule = 'rights' | 'freeze' | 'conflict' | 'requires' | 'closure' | 'downgrade' | 'approval'

/** Why not, in one sentence. `chain` are the idents from the release that was asked for to the one that is missing. */
export interface Refusal {
  readonly rule: Rule
  readonly detail: string
  readonly chain?: readonly string[]
  /** Releases that it tells of, for who decides whom it is told to. What is in `chain` because a release says so itself is not among them. */
  readonly names?: readonly ReleaseName[]
  /** It tells what `names` have in common: enough for whoever may see one of them. */
  readonly isOfAny?: true
}

/** Whose wish a change is, as far as rules of views ask. */
export interface Requester {
  readonly account: string
  readonly isAdministrator: boolean
  /** Origins in which they may promote by their role. */
  readonly maintains: readonly string[] | 'all'
  /** Origins that their token reaches at all. */
  readonly reaches: readonly string[] | 'all'
}

/** What was read for the gates. Keys are `ident target`. */
export interface GateState {
  readonly view: View
  readonly act: Act
  readonly clock: Clock
  /** `undefined` for the depot's own doing and its operator's shell. */
  readonly requester: Requester | undefined
  /** Who proposed what the requester approves. */
  readonly proposer: string | undefined
  /** For each of the view's requirements: since when releases are there as it wants them; those that are not are absent. */
  readonly held: readonly ReadonlyMap<number, number>[]
  readonly dependencies: Dependencies
  /** By id of a release that leaves: members that need it. */
  readonly dependents: ReadonlyMap<number, readonly Dependent[]>
}

/** A member that needs another one. What the caller may not see is not named to them. */
export interface Dependent {
  readonly release: ViewRelease
  readonly isVisible: boolean
}

/** What is known of dependencies, of the releases that join and of those that they need. */
export interface Dependencies {
  readonly tdeps: ReadonlyMap<string, readonly string[]>
  readonly deps: ReadonlyMap<string, readonly string[]>
  /** What of these is in the depot, by id; and what of it is in the view before the change. */
  readonly inDepot: ReadonlyMap<string, number>
  readonly inView: ReadonlySet<number>
}

type Gate = (effect: Effect, state: GateState) => Refusal[]

const GATES: readonly Gate[] = [
  checkRights,
  checkFreezes,
  checkRequirements,
  checkClosure,
  checkDowngrades,
  checkApproval,
]

/** Rules that a change is refused by whoever asks, and that who may break the glass can set aside. */
const OVERRIDABLE: ReadonlySet<Rule> = new Set(['freeze', 'requires', 'closure', 'downgrade', 'approval'])

/** What the rules of views ask about a caller; nothing of the operator. */
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

export function judge(effect: Effect, state: GateState): Refusal[] {
  return GATES.flatMap((gate) => gate(effect, state))
}

export function isOverridable({ rule }: Refusal): boolean {
  return OVERRIDABLE.has(rule)
}

export function mayOverride(requester: Requester | undefined, gates: Gates): boolean {
  return (
    requester === undefined ||
    requester.isAdministrator ||
    gates.overriders?.includes(requester.account) === true
  )
}

/** Whether an account may change a view at all, before it is known which releases. */
export function mayTouch(requester: Requester, { promoters }: Gates): boolean {
  return promoters === undefined || requester.isAdministrator || promoters.includes(requester.account)
}

/** What a caller needs to change a view at all, before it is known which releases. Throws `forbidden`. */
export function expectMayTouch(caller: Authority, view: View): void {
  if (caller === 'operator') return
  expectView(caller, view.name)
  const requester = requesterOf(caller)
  if (!mayTouch(requester, view.gates))
    throw new DepotError('forbidden', `${requester.account} is not among those who may change ${view.name}`)
  // Nothing is worked out for who could change nothing at all.
  if (view.gates.promoters === undefined && requester.maintains.length === 0)
    throw new DepotError('forbidden', `${requester.account} is not a maintainer of any origin`)
}

/** Whether an account may end what another one proposed for releases of these origins: those who are named, or who could make the change. */
export function mayReject(
  requester: Requester,
  { approval, promoters }: Gates,
  origins: Iterable<string>,
): boolean {
  if (requester.isAdministrator) return true
  const named = approval?.approvers ?? promoters
  if (named !== undefined && !named.includes(requester.account)) return false
  const theirs = named === undefined ? requester.maintains : requester.reaches
  return theirs === 'all' || [...origins].every((origin) => theirs.includes(origin))
}

function checkRights({ steps }: Effect, { view, requester, proposer }: GateState): Refusal[] {
  if (requester === undefined) return []
  const moving = Map.groupBy(
    steps.filter(({ change }) => change !== 'unchanged').map(({ release }) => release),
    ({ ident }) => ident.origin,
  )
  return rightsRefused(view, moving.keys(), { requester, isApproval: proposer !== undefined }).map(
    ({ origin, ...refusal }) =>
      origin === undefined
        ? refusal
        : { ...refusal, names: namesOf(...(moving.get(origin) ?? [])), isOfAny: true as const },
  )
}

/** Why an account may not change a view by releases of these origins, or approve that. */
export function rightsRefused(
  view: View,
  origins: Iterable<string>,
  { requester, isApproval }: { requester: Requester; isApproval: boolean },
): (Refusal & { readonly origin?: string })[] {
  // A named approver needs no role in the origins: the proposer had it.
  const isApprover = isApproval && view.gates.approval?.approvers?.includes(requester.account) === true
  if (!isApprover && !mayTouch(requester, view.gates))
    return [{ rule: 'rights', detail: `${requester.account} is not among those who may change ${view.name}` }]
  // Accounts that the view names as promoters need no role in the origins of what they promote.
  const isNamed = isApprover || view.gates.promoters !== undefined
  const theirs = isNamed ? requester.reaches : requester.maintains
  const others = theirs === 'all' ? [] : [...origins].filter((origin) => !theirs.includes(origin))
  return others.map((origin) => ({
    rule: 'rights',
    origin,
    detail: isNamed
      ? `this token does not reach the origin ${origin}`
      : `${requester.account} is not a maintainer of the origin ${origin}`,
  }))
}

/** A rule is about every package, so that every freeze keeps it, whatever would move. */
function checkFreezes({ steps, rule }: Effect, { view, clock }: GateState): Refusal[] {
  const changed = steps.filter(({ change }) => change !== 'unchanged').map(({ release }) => release)
  return view.freezes.flatMap((freeze) => {
    const release = changed.find(({ ident }) => concerns(freeze, ident))
    if (!lasts(freeze, clock.now) || (release === undefined && rule === undefined)) return []
    const place = freeze.isOfAll ? 'every view' : view.name
    const until = freeze.until === undefined ? '' : ` until ${new Date(freeze.until).toISOString()}`
    const sentence = `is frozen${until} by ${freeze.by}: ${freeze.reason}`
    if (!isRestricted(freeze)) return [{ rule: 'freeze' as const, detail: `${place} ${sentence}` }]
    return [
      {
        rule: 'freeze' as const,
        detail: `${formatOnly(freeze)} in ${place} ${sentence}`,
        ...(release !== undefined && { names: namesOf(release) }),
      },
    ]
  })
}

/** What goes back was let in before. */
function checkRequirements({ steps }: Effect, { view, act, clock, held }: GateState): Refusal[] {
  if (act !== 'promote') return []
  const refusals: Refusal[] = []
  for (const [index, { view: other, as, soakMs = 0 }] of (view.gates.requires ?? []).entries()) {
    for (const { release } of steps.filter(joins)) {
      const since = held[index]?.get(release.releaseId)
      const name = `${formatIdent(release.ident)} (${release.target})`
      const names = namesOf(release)
      if (since === undefined)
        refusals.push({
          rule: 'requires',
          detail: `${name} is not ${as === 'member' ? 'in' : 'what latest answers in'} ${other}`,
          names,
        })
      else if (clock.now - since < soakMs)
        refusals.push({
          rule: 'requires',
          detail: `${name} is in ${other} since ${new Date(since).toISOString()}, and has to be until ${new Date(since + soakMs).toISOString()}`,
          names,
        })
    }
  }
  return refusals
}

function checkClosure({ steps }: Effect, { view, dependencies, dependents }: GateState): Refusal[] {
  const { closure } = view.gates
  if (closure === undefined) return []
  const { tdeps, inDepot, inView } = dependencies
  const joining = new Set(steps.filter(joins).map(({ release }) => release.releaseId))
  const leaving = new Set(
    steps.filter(({ change }) => change === 'removed').map(({ release }) => release.releaseId),
  )
  const isThere = (key: string) => {
    const id = inDepot.get(key)
    if (id === undefined || closure === 'depot') return id !== undefined
    return joining.has(id) || (inView.has(id) && !leaving.has(id))
  }
  const where = closure === 'depot' ? 'the depot' : view.name
  const refusals: Refusal[] = []
  for (const { release } of steps.filter(joins)) {
    const ident = formatIdent(release.ident)
    for (const needed of tdeps.get(`${ident} ${release.target}`) ?? []) {
      if (isThere(`${needed} ${release.target}`)) continue
      const chain = chainTo(needed, ident, release.target, dependencies)
      refusals.push({
        rule: 'closure',
        detail: `${chain.join(' → ')} is not in ${where}`,
        chain,
        names: namesOf(release),
      })
    }
  }
  if (closure === 'depot') return refusals
  for (const { release, change } of steps) {
    if (change !== 'removed') continue
    const needed = formatIdent(release.ident)
    const needy = (dependents.get(release.releaseId) ?? []).filter(
      (member) => !leaving.has(member.release.releaseId),
    )
    if (needy.some(({ isVisible }) => !isVisible))
      refusals.push({ rule: 'closure', detail: `something in ${view.name} needs ${needed}` })
    for (const member of needy.filter(({ isVisible }) => isVisible)) {
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

/** The shortest way along direct dependencies, or straight where these are not known. */
export function chainTo(needed: string, from: string, target: string, { deps }: Dependencies): string[] {
  const cameFrom = new Map<string, string>()
  const waiting = [from]
  for (let ident = waiting.shift(); ident !== undefined; ident = waiting.shift()) {
    for (const next of deps.get(`${ident} ${target}`) ?? []) {
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

function checkDowngrades({ moves }: Effect, { view, act }: GateState): Refusal[] {
  if (view.gates.downgrade === undefined || act === 'rollback' || act === 'revert') return []
  return moves.flatMap(({ from, to }) => {
    if (from === undefined || to === undefined || from.orderKey <= to.orderKey) return []
    return [
      {
        rule: 'downgrade' as const,
        detail: `latest of ${from.ident.origin}/${from.ident.name} for ${from.target} would go down from ${formatIdent(from.ident)} to ${formatIdent(to.ident)}`,
        names: namesOf(from, to),
      },
    ]
  })
}

function checkApproval(_effect: Effect, { view, requester, proposer }: GateState): Refusal[] {
  const { approval } = view.gates
  if (approval === undefined || requester === undefined) return []
  if (proposer === undefined)
    return [
      { rule: 'approval', detail: `${view.name} changes only when a second person approves: propose it` },
    ]
  if (proposer === requester.account)
    return [{ rule: 'approval', detail: `${requester.account} proposed this, and somebody else approves it` }]
  if (approval.approvers === undefined || approval.approvers.includes(requester.account)) return []
  return [
    { rule: 'approval', detail: `${requester.account} is not among those who approve for ${view.name}` },
  ]
}

function namesOf(...releases: readonly ViewRelease[]): ReleaseName[] {
  return releases.map(({ ident, target }) => ({ ident: formatIdent(ident), target }))
}
