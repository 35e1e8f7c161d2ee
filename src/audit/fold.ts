import type { Promotion } from '../ledger/entry.ts'
import { describeRelease, lineKey, lineOf, parseIdent, releaseKey } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { orderKey } from '../package/version.ts'
import type { ViewRule } from '../views/rule.ts'

// Rebuilds a view from its promotions, in order: first the releases in `left` leave, then those in `joined`
// join. `docs/ledger.md` describes the same for readers without the source.

/** A member since the revision `from`; `position` is its place in the `joined` of that promotion. */
export interface FoldedMember extends ReleaseName {
  readonly from: number
  readonly position: number
  /** Whether `latest` skips it, because it was yanked and the rule was `highest` when it joined. */
  readonly isSkipped: boolean
}

/** The answer of `latest` since the revision `from`. */
export interface FoldedPointer {
  readonly package: string
  readonly target: Target
  readonly ident: string
  readonly from: number
}

/** The members and pointers of a view at one revision. */
export interface Fold {
  /** By release, in the order in which they were promoted. */
  readonly members: Map<string, FoldedMember>
  /** By line. */
  readonly pointers: Map<string, FoldedPointer>
}

export interface FoldedChange {
  /** The memberships and pointers that this revision ended. */
  readonly endedMembers: readonly FoldedMember[]
  readonly endedPointers: readonly FoldedPointer[]
  /** Sentences that say where the promotion contradicts the view before it. */
  readonly faults: readonly string[]
}

export function emptyFold(): Fold {
  return { members: new Map(), pointers: new Map() }
}

/**
 * Applies a promotion to `fold`. Returns the memberships and pointers that it ended. `skips` reports whether
 * `latest` skips a release that joins.
 */
export function foldPromotion(
  fold: Fold,
  promotion: Pick<Promotion, 'revision' | 'joined' | 'left' | 'pointers'>,
  skips: (release: ReleaseName) => boolean = () => false,
): FoldedChange {
  const { revision, joined, left, pointers } = promotion
  const endedMembers: FoldedMember[] = []
  const endedPointers: FoldedPointer[] = []
  const faults: string[] = []

  const end = (release: ReleaseName) => {
    const member = fold.members.get(releaseKey(release))
    if (member === undefined) return false
    // A release that joins again becomes the last of the map.
    fold.members.delete(releaseKey(release))
    // A membership that begins and ends in one revision has no row.
    if (member.from < revision) endedMembers.push(member)
    return true
  }
  for (const release of left) {
    if (!end(release))
      faults.push(`revision ${revision} removes ${describeRelease(release)}, which was not a member`)
  }
  for (const [position, release] of joined.entries()) {
    end(release)
    fold.members.set(releaseKey(release), {
      ident: release.ident,
      target: release.target,
      from: revision,
      position,
      isSkipped: skips(release),
    })
  }
  for (const { package: name, target, from, to } of pointers) {
    const line = lineKey({ package: name, target })
    const pointer = fold.pointers.get(line)
    if ((pointer?.ident ?? null) !== from) {
      faults.push(
        `revision ${revision} moves ${name} (${target}) from ${from ?? 'nothing'}, but it was at ${pointer?.ident ?? 'nothing'}`,
      )
    }
    if (pointer !== undefined && pointer.from < revision) endedPointers.push(pointer)
    if (to === null) fold.pointers.delete(line)
    else fold.pointers.set(line, { package: name, target, ident: to, from: revision })
  }
  return { endedMembers, endedPointers, faults }
}

/**
 * Computes `latest` of each line (`origin/name target`) by a view's rule. Members are in the order of their
 * promotion.
 */
export function latestOf(
  rule: ViewRule,
  members: Iterable<ReleaseName & { readonly isSkipped?: boolean }>,
): Map<string, string> {
  const latest = new Map<string, { ident: string; key: string }>()
  for (const { ident, target, isSkipped = false } of members) {
    if (isSkipped) continue
    const line = lineOf({ ident, target })
    // Under `promoted` all keys are equal, and the last of several members with equal keys wins.
    const key = rule === 'highest' ? orderKey(parseIdent(ident)) : ''
    const best = latest.get(line)
    if (best === undefined || best.key <= key) latest.set(line, { ident, key })
  }
  return new Map([...latest].map(([line, { ident }]) => [line, ident]))
}
