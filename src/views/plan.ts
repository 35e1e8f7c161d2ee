import { formatIdent, formatPackageName } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import type { ViewRule } from './rule.ts'
import type { ViewRelease } from './view.ts'

/** What a change of a view does with one of its releases. */
export type ReleaseChange =
  | 'added' //      it becomes what `latest` answers, where there was nothing
  | 'moved' //      `latest` goes up to it
  | 'downgraded' // `latest` goes down to it
  | 'joined' //     it becomes a member, or does so anew, and `latest` stays where it is
  | 'unchanged' //  it is already what `latest` answers, or already a member below it
  | 'removed' //    it leaves

/** A release that is to join. */
export interface Joining {
  readonly release: ViewRelease
  /** Even if it is a member: it is then the one promoted last. */
  readonly rejoins?: boolean
  /** It comes along because another needs it. */
  readonly isDependency?: boolean
}

/** What a view is to become: who leaves, and then who joins, in this order. No release is in both. */
export interface Wanted {
  readonly joining: readonly Joining[]
  readonly leaving: readonly ViewRelease[]
  /** The rule from then on, where it is another. */
  readonly rule?: ViewRule
}

/** What a view holds now of the packages that a change is about. */
export interface Present {
  /** Ids of the releases named in a change that are members. */
  readonly members: ReadonlySet<number>
  /** By {@link lineOf}: what `latest` answers. */
  readonly pointers: ReadonlyMap<string, ViewRelease>
  /** By {@link lineOf}: what the rule puts first once the leaving ones are gone, where `latest` is among them. */
  readonly successors: ReadonlyMap<string, ViewRelease>
}

export interface Step {
  readonly release: ViewRelease
  readonly change: ReleaseChange
  /** Where `latest` of its package and target stood before, when it moves to this release. */
  readonly from: ViewRelease | undefined
  readonly isDependency: boolean
}

/** `latest` of a package for a target goes from one release to another; absent where there is none. */
export interface Move {
  readonly from: ViewRelease | undefined
  readonly to: ViewRelease | undefined
}

/** What a change does: a step for each release that joins, in order, and then for each that leaves. */
export interface Effect {
  readonly steps: readonly Step[]
  readonly moves: readonly Move[]
  /** The rule from then on, where it is another. */
  readonly rule?: ViewRule
}

/**
 * What a change means under a view's rule, which is the next one where that is set. Of several releases of one package and target, `promoted` points to the last one that
 * joins and `highest` to the highest.
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
    // Where others join beside what `latest` answers, and it is named last, it joins anew, so as to be the one promoted last.
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

/** What a pointer belongs to: one package for one target. */
export function lineOf(release: ViewRelease): string {
  return `${formatPackageName(release.ident)} ${release.target}`
}

/** Whether a change does anything at all. */
export function changesView({ steps, rule }: Effect): boolean {
  return rule !== undefined || steps.some(({ change }) => change !== 'unchanged')
}

/** Whether a release joins, or does so anew. */
export function joins({ change }: Step): boolean {
  return change !== 'unchanged' && change !== 'removed'
}

/** A step for people and clients: `dependency` where it comes along because another needs it. */
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
  if (one === undefined) throw new Error('a move from nothing to nothing')
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
