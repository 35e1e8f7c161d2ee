import { formatIdent, formatPackageName, lineOf } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import type { ViewRule } from './rule.ts'
import type { ViewRelease } from './view.ts'

/** The effect of a change on one release. */
export type ReleaseChange =
  | 'added' //      `latest` had no answer, and now answers this release
  | 'moved' //      `latest` goes up to it
  | 'downgraded' // `latest` goes down to it
  | 'joined' //     it becomes a member or rejoins, and `latest` does not move
  | 'unchanged' //  it is already a member, and nothing changes
  | 'removed' //    it leaves

/** A release that will join. */
export interface Joining {
  readonly release: ViewRelease
  /** Whether a member joins again, so that it is the one promoted last. */
  readonly rejoins?: boolean
  /** Whether it joins because another release needs it. */
  readonly isDependency?: boolean
}

/** A wanted change: first the leaving releases leave, then the joining ones join in order. No release is in both lists. */
export interface Wanted {
  readonly joining: readonly Joining[]
  readonly leaving: readonly ViewRelease[]
  /** The new rule, if it changes. */
  readonly rule?: ViewRule
}

/** The present state of the packages of a change. */
export interface Present {
  /** Ids of the change's releases that are members. */
  readonly members: ReadonlySet<number>
  /** The answers of `latest`, by {@link lineOf}. */
  readonly pointers: ReadonlyMap<string, ViewRelease>
  /** The first remaining member, by {@link lineOf}, where the answer of `latest` leaves. */
  readonly successors: ReadonlyMap<string, ViewRelease>
}

export interface Step {
  readonly release: ViewRelease
  readonly change: ReleaseChange
  /** The previous answer of `latest`, if `latest` moves to this release. */
  readonly from: ViewRelease | undefined
  readonly isDependency: boolean
}

/** A move of `latest` for a package and target. `undefined` means no answer. */
export interface Move {
  readonly from: ViewRelease | undefined
  readonly to: ViewRelease | undefined
}

/** The effect of a change: a step for each joining release in order, then one for each leaving release. */
export interface Effect {
  readonly steps: readonly Step[]
  readonly moves: readonly Move[]
  /** The new rule, if it changes. */
  readonly rule?: ViewRule
}

/**
 * Computes the effect of a change under a rule; a change that sets a rule is planned under the new one. Among several releases of one
 * package and target, `promoted` points to the one that joins last and `highest` to the highest.
 */
export function planChange(
  rule: ViewRule,
  { joining, leaving, rule: next }: Wanted,
  present: Present,
): Effect {
  const leavingIds = new Set(leaving.map(({ releaseId }) => releaseId))
  const isMember = ({ releaseId }: ViewRelease) => present.members.has(releaseId)
  const candidatesOf = Map.groupBy(joining, ({ release }) => lineOf(release))
  const steps: Step[] = []
  const moves: Move[] = []
  const leaders = new Map<
    string,
    { leader: Joining | undefined; doesMove: boolean; haveOthersJoined: boolean }
  >()
  for (const line of new Set([...candidatesOf.keys(), ...leaving.map(lineOf)])) {
    const candidates = candidatesOf.get(line) ?? []
    const pointer = present.pointers.get(line)
    const staying =
      pointer !== undefined && leavingIds.has(pointer.releaseId) ? present.successors.get(line) : pointer
    const leader =
      rule === 'promoted'
        ? candidates.at(-1)
        : candidates.toSorted((a, b) => (a.release.orderKey < b.release.orderKey ? -1 : 1)).at(-1)
    const leads =
      leader !== undefined &&
      (rule === 'promoted' || staying === undefined || staying.orderKey <= leader.release.orderKey)
    const to = leads ? leader.release : staying
    if (to?.releaseId !== pointer?.releaseId) moves.push({ from: pointer, to })
    leaders.set(line, {
      leader,
      doesMove: leads && leader.release.releaseId !== pointer?.releaseId,
      haveOthersJoined: candidates.some(({ release, rejoins = false }) => rejoins || !isMember(release)),
    })
  }
  for (const candidate of joining) {
    const { release, rejoins = false, isDependency = false } = candidate
    const { leader, doesMove, haveOthersJoined } = leaders.get(lineOf(release)) ?? {
      leader: undefined,
      doesMove: false,
      haveOthersJoined: false,
    }
    const isMoving = leader === candidate && doesMove
    // If others join and the answer of `latest` is named last, it rejoins, so that it is the one promoted last.
    const stands =
      isMember(release) && !rejoins && !(rule === 'promoted' && leader === candidate && haveOthersJoined)
    const pointer = present.pointers.get(lineOf(release))
    steps.push({
      release,
      change: changeOf(release, { stands, pointer, isMoving }),
      from: isMoving ? pointer : undefined,
      isDependency,
    })
  }
  for (const release of leaving)
    steps.push({ release, change: 'removed', from: undefined, isDependency: false })
  return { steps, moves, ...(next !== undefined && { rule: next }) }
}

/** Reports whether the effect changes the view. */
export function changesView({ steps, rule }: Effect): boolean {
  return rule !== undefined || steps.some(({ change }) => change !== 'unchanged')
}

/** Reports whether the release joins or rejoins. */
export function joins({ change }: Step): boolean {
  return change !== 'unchanged' && change !== 'removed'
}

/** A step in text form, for clients. */
export interface DescribedStep {
  readonly ident: string
  readonly target: Target
  readonly change: ReleaseChange
  readonly from?: string
  readonly isDependency?: true
}

export function describeStep({ release, change, from, isDependency }: Step): DescribedStep {
  return {
    ident: formatIdent(release.ident),
    target: release.target,
    change,
    ...(from !== undefined && { from: formatIdent(from.ident) }),
    ...(isDependency && { isDependency }),
  }
}

export function describeMove({ from, to }: Move): {
  package: string
  target: Target
  from: string | null
  to: string | null
} {
  const one = to ?? from
  if (one === undefined) throw new Error('a move has neither a start nor an end')
  return { package: formatPackageName(one.ident), target: one.target, from: identOf(from), to: identOf(to) }
}

function identOf(release: ViewRelease | undefined): string | null {
  return release === undefined ? null : formatIdent(release.ident)
}

function changeOf(
  release: ViewRelease,
  state: { stands: boolean; pointer: ViewRelease | undefined; isMoving: boolean },
): ReleaseChange {
  if (!state.isMoving) return state.stands ? 'unchanged' : 'joined'
  if (state.pointer === undefined) return 'added'
  return state.pointer.orderKey < release.orderKey ? 'moved' : 'downgraded'
}
