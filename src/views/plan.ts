import { formatIdent, formatPackageName, lineOf } from '../package/ident.ts'
import type { Line } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { skips } from './rule.ts'
import type { ViewRule } from './rule.ts'
import type { ViewRelease } from './view.ts'

/** The effect of a change on one release. */
export type ReleaseChange =
  | 'added' //      `latest` had no answer; now this release is the answer
  | 'moved' //      `latest` goes up to this release
  | 'downgraded' // `latest` goes down to this release
  | 'joined' //     the release becomes a member or rejoins, and `latest` does not move
  | 'unchanged' //  the release is already a member, and nothing changes
  | 'removed' //    the release leaves

/** A release that will join. */
export interface Joining {
  readonly release: ViewRelease
  /** Whether the release joins again although it is a member, so that it becomes the member promoted last. */
  readonly rejoins?: boolean
  /** Whether the release joins because another one needs it. */
  readonly isDependency?: boolean
}

/**
 * The requested change of a view: first `leaving` leave, then `joining` join in order. No release is in both
 * lists.
 */
export interface ViewDelta {
  readonly joining: readonly Joining[]
  readonly leaving: readonly ViewRelease[]
  /** The new rule, if it changes. */
  readonly rule?: ViewRule
}

/** The present state of the view, as far as a change needs it. */
export interface PresentState {
  /** Ids of the change's releases that are members. */
  readonly members: ReadonlySet<number>
  /** The answers of `latest`, by line. */
  readonly pointers: ReadonlyMap<Line, ViewRelease>
  /** The next answers of `latest`, by line. Has the lines whose present answer leaves or becomes skipped. */
  readonly successors: ReadonlyMap<Line, ViewRelease>
}

/** What a change does to one release. */
export interface Step {
  readonly release: ViewRelease
  readonly change: ReleaseChange
  /** The previous answer of `latest`, if `latest` moves to this release. */
  readonly from: ViewRelease | undefined
  readonly isDependency: boolean
  /** Whether the release was a member before the change. */
  readonly wasMember: boolean
}

/** A move of `latest` on one line. `undefined` means no answer. */
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
 * Computes the effect of a change under a rule. The caller passes the new rule for a change that sets one.
 * Among several joining releases of one line, `latest` becomes the one that joins last under the rule
 * `promoted`, and the highest one under `highest`.
 */
export function planChange(
  rule: ViewRule,
  { joining, leaving, rule: nextRule }: ViewDelta,
  { members, pointers, successors }: PresentState,
): Effect {
  const skipped = joining.map(({ release }) => release).filter((release) => skips(rule, release))
  const replacedIds = new Set([...leaving, ...skipped].map(({ releaseId }) => releaseId))
  const joiningByLine = Map.groupBy(joining, ({ release }) => lineOf(release))
  const linePlans = new Map<Line, LinePlan>()
  for (const line of new Set([...joiningByLine.keys(), ...leaving.map(lineOf)])) {
    const pointer = pointers.get(line)
    const isReplaced = pointer !== undefined && replacedIds.has(pointer.releaseId)
    linePlans.set(
      line,
      planLine(rule, joiningByLine.get(line) ?? [], {
        members,
        pointer,
        remaining: isReplaced ? successors.get(line) : pointer,
      }),
    )
  }
  return {
    steps: [
      ...joining.map((each) => joiningStep(each, linePlans.get(lineOf(each.release)), members)),
      ...leaving.map((release) => ({
        release,
        change: 'removed' as const,
        from: undefined,
        isDependency: false,
        wasMember: true,
      })),
    ],
    moves: [...linePlans.values()].map(({ move }) => move).filter(isMove),
    ...(nextRule !== undefined && { rule: nextRule }),
  }
}

/** The effect of a change on one line. */
interface LinePlan {
  readonly move: Move
  /** The joining release that `latest` answers after the change. */
  readonly leader: Joining | undefined
  /** Whether a leader that is already a member joins again, so that it is the member promoted last. */
  readonly doesLeaderRejoin: boolean
}

/**
 * Plans one line. `pointer` is the present answer of `latest`; `remaining` is the answer once the leaving
 * releases have left, and skipped ones no longer answer.
 */
function planLine(
  rule: ViewRule,
  joining: readonly Joining[],
  state: {
    members: ReadonlySet<number>
    pointer: ViewRelease | undefined
    remaining: ViewRelease | undefined
  },
): LinePlan {
  const { members, pointer, remaining } = state
  const candidate =
    rule === 'promoted'
      ? joining.at(-1)
      : joining
          .filter(({ release }) => !skips(rule, release))
          .toSorted((a, b) => (a.release.orderKey < b.release.orderKey ? -1 : 1))
          .at(-1)
  const leads =
    candidate !== undefined &&
    (rule === 'promoted' || remaining === undefined || remaining.orderKey <= candidate.release.orderKey)
  return {
    move: { from: pointer, to: leads ? candidate.release : remaining },
    leader: leads ? candidate : undefined,
    doesLeaderRejoin:
      rule === 'promoted' &&
      joining.some(({ release, rejoins = false }) => rejoins || !members.has(release.releaseId)),
  }
}

/** Returns the step of a joining release. */
function joiningStep(joining: Joining, plan: LinePlan | undefined, members: ReadonlySet<number>): Step {
  const { release, rejoins = false, isDependency = false } = joining
  const wasMember = members.has(release.releaseId)
  const isLeader = plan?.leader === joining
  const from = plan?.move.from
  if (isLeader && isMove(plan.move))
    return { release, change: changeOf(from, release), from, isDependency, wasMember }
  const doesJoin = !wasMember || rejoins || (isLeader && plan.doesLeaderRejoin)
  return { release, change: doesJoin ? 'joined' : 'unchanged', from: undefined, isDependency, wasMember }
}

/** Returns the change of a release to which `latest` moves. */
function changeOf(from: ViewRelease | undefined, release: ViewRelease): ReleaseChange {
  if (from === undefined) return 'added'
  return from.orderKey < release.orderKey ? 'moved' : 'downgraded'
}

/** Reports whether a `Move` changes `latest`. A line whose `latest` stays has a `Move`, too. */
function isMove({ from, to }: Move): boolean {
  return from?.releaseId !== to?.releaseId
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
  /** The reasons, if the release is yanked or deprecated and stays or becomes a member. */
  readonly yanked?: string
  readonly deprecated?: string
}

/** Converts a step to text form. */
export function describeStep({ release, change, from, isDependency }: Step): DescribedStep {
  return {
    ident: formatIdent(release.ident),
    target: release.target,
    change,
    ...(from !== undefined && { from: formatIdent(from.ident) }),
    ...(isDependency && { isDependency }),
    ...(change !== 'removed' && release.yanked !== undefined && { yanked: release.yanked }),
    ...(change !== 'removed' && release.deprecated !== undefined && { deprecated: release.deprecated }),
  }
}

/** Converts a move to text form, for clients. */
export function describeMove({ from, to }: Move): {
  package: string
  target: Target
  from: string | null
  to: string | null
} {
  const end = to ?? from
  if (end === undefined) throw new Error('a move has neither a start nor an end')
  return { package: formatPackageName(end.ident), target: end.target, from: identOf(from), to: identOf(to) }
}

/** A move of `latest` that comes soon after the previous move for the same package and target. */
export interface DescribedUnsettled {
  readonly package: string
  readonly target: Target
  /** The time of the previous move, in epoch milliseconds. */
  readonly movedAt: number
}

/** Returns the field of a plan or an outcome; none if every package has settled. */
export function describeUnsettled(unsettled: readonly { readonly move: Move; readonly movedAt: number }[]): {
  unsettled?: readonly DescribedUnsettled[]
} {
  if (unsettled.length === 0) return {}
  return {
    unsettled: unsettled.map(({ move, movedAt }) => {
      const { package: name, target } = describeMove(move)
      return { package: name, target, movedAt }
    }),
  }
}

function identOf(release: ViewRelease | undefined): string | null {
  return release === undefined ? null : formatIdent(release.ident)
}
