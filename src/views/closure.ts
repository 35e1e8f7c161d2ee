import { formatIdent, releaseKey } from '../package/ident.ts'
import { namesOf } from './gate.ts'
import type { Dependencies, GateState, Refusal } from './gate.ts'
import { joins } from './plan.ts'
import type { Effect } from './plan.ts'

// The gate `closure`: releases are in a view together with everything that they need.

/**
 * Checks that the dependencies of joining releases are present. With the closure `view`, also checks that no
 * remaining member depends on a leaving release.
 */
export function checkClosure(effect: Effect, state: GateState): Refusal[] {
  const { closure } = state.view.gates
  if (closure === undefined) return []
  const leaving = new Set(
    effect.steps.filter(({ change }) => change === 'removed').map(({ release }) => release.releaseId),
  )
  const refusals = checkMissing(effect, state, { closure, leaving })
  return closure === 'view' ? [...refusals, ...checkStillNeeded(effect, state, leaving)] : refusals
}

/**
 * Checks that the dependencies of joining releases are in the depot or, with the closure `view`, in the view
 * after the change.
 */
function checkMissing(
  { steps }: Effect,
  { view, dependencies }: GateState,
  { closure, leaving }: { closure: 'depot' | 'view'; leaving: ReadonlySet<number> },
): Refusal[] {
  const { tdeps, inDepot, announced, inView } = dependencies
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
      const key = releaseKey({ ident: needed, target: release.target })
      if (isThere(key)) continue
      const chain = chainTo(needed, ident, release.target, dependencies)
      const fault = announced.has(key) ? 'is known by the word of upstream alone' : `is not in ${where}`
      refusals.push({
        rule: 'closure',
        detail: `${chain.join(' → ')} ${fault}`,
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

/**
 * Returns the shortest chain of direct dependencies between two idents; just the two if no chain is known.
 */
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
