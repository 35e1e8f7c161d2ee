import type { ReleaseName } from '../package/ident.ts'
import { describeRelease, formatIdent, formatPackageName, releaseName } from '../package/ident.ts'
import type { Joining, ViewDelta } from '../views/plan.ts'
import { skips } from '../views/rule.ts'
import type { ViewRule } from '../views/rule.ts'
import type { ViewRelease } from '../views/view.ts'

// Rollbacks and reverts, computed as changes of the present view. Members are listed in the order in which
// they joined. Under `promoted`, this order decides `latest`, now and after later demotions.

/** A past member of a view. It may have been deleted since. */
export interface PastRelease extends ViewRelease {
  readonly isDeleted: boolean
  /** Whether `latest` skipped it then, because it was yanked. */
  readonly isSkipped: boolean
}

/** The members of one line at some revision. */
export type Members = readonly PastRelease[]

/** Why a change is not possible: a sentence, and the releases that it reveals. */
export interface Conflict {
  readonly detail: string
  readonly names: readonly ReleaseName[]
}

/** The change that restores a view, and its conflicts. `delta` is complete only without conflicts. */
export interface Restored {
  readonly delta: ViewDelta
  readonly conflicts: readonly Conflict[]
}

/** The rule at the revision that is restored or undone, and the present rule, which is kept. */
export interface Rules {
  readonly past: ViewRule
  readonly present: ViewRule
}

/**
 * Restores the members of a line. Members that already form the start of the old order are kept; the others
 * leave or rejoin. Deleted releases do not return; it is a conflict if `latest` answered one. `latest` gets
 * its old answer under any present rule: under `promoted`, that release joins last; under `highest`, it is a
 * conflict if that release is yanked, or if another one is higher.
 */
export function restoreLine(rules: Rules, then: Members, now: Members): Restored {
  const latestThen = latestOf(rules.past, then)
  const conflicts = conflictsOf(rules.present, latestThen)
  const existing = then.filter(({ isDeleted }) => !isDeleted)
  const joinsLast = ({ releaseId }: PastRelease) =>
    rules.present === 'promoted' && releaseId === latestThen?.releaseId
  const old = [...existing.filter((release) => !joinsLast(release)), ...existing.filter(joinsLast)]
  const latestRestored = latestOf(rules.present, old.map(joiningUnder(rules.present)))
  if (
    latestThen !== undefined &&
    conflicts.length === 0 &&
    latestRestored?.releaseId !== latestThen.releaseId
  ) {
    conflicts.push(
      conflictOf(
        `latest of ${labelOf(latestThen)} cannot go back to ${identOf(latestThen)}: under the rule ${rules.present} it would be ${identOf(latestRestored)}`,
        latestThen,
        latestRestored,
      ),
    )
  }
  const oldIds = idsOf(old)
  const nowIds = idsOf(now)
  const leaving = now.filter(({ releaseId }) => !oldIds.has(releaseId))
  if (rules.present === 'highest')
    return {
      delta: { joining: old.filter(({ releaseId }) => !nowIds.has(releaseId)).map(rejoining), leaving },
      conflicts,
    }
  const staying = now.filter(({ releaseId }) => oldIds.has(releaseId))
  const firstDifference = old.findIndex(({ releaseId, isSkipped }, index) => {
    const same = staying[index]
    return same?.releaseId !== releaseId || (same.isSkipped && !isSkipped)
  })
  const joining = firstDifference === -1 ? [] : old.slice(firstDifference).map(rejoining)
  return { delta: { joining, leaving }, conflicts }
}

/** One line before and after the revision to undo, and now. */
export interface Undoing {
  readonly before: Members
  readonly after: Members
  readonly now: Members
  /** The revision that gave `latest` its present answer. */
  readonly since: number
}

/**
 * Undoes the effect of one revision on a line, and keeps later changes. It is a conflict if that revision
 * moved `latest` and `latest` has moved again or cannot go back.
 */
export function revertLine(rules: Rules, { before, after, now, since }: Undoing): Restored {
  const latestBefore = latestOf(rules.past, before)
  const latestAfter = latestOf(rules.past, after)
  const latestNow = latestOf(rules.present, now)
  const didMove = latestBefore?.releaseId !== latestAfter?.releaseId
  const conflicts: Conflict[] = []
  if (didMove && latestNow?.releaseId !== latestAfter?.releaseId) {
    conflicts.push(
      conflictOf(
        `latest of ${labelOf(latestAfter ?? latestBefore)} has moved on: it is ${identOf(latestNow)} since revision ${since}`,
        latestBefore,
        latestAfter,
        latestNow,
      ),
    )
  }
  if (didMove) conflicts.push(...conflictsOf(rules.present, latestBefore))
  const { leaving, returning, members } = undoMembers(rules.present, { before, after, now })
  const joining = returning.map(rejoining)
  // Under `promoted`, a returning release would become the one promoted last, so the answer of `latest`
  // rejoins after it.
  const wanted = didMove ? latestBefore : latestNow
  const answer = members.find(({ releaseId }) => releaseId === wanted?.releaseId)
  if (
    rules.present === 'promoted' &&
    answer !== undefined &&
    (members.at(-1) !== answer || answer.isSkipped)
  ) {
    const others = joining.filter(({ release }) => release.releaseId !== answer.releaseId)
    return { delta: { joining: [...others, rejoining(answer)], leaving }, conflicts }
  }
  const latestReverted = latestOf(rules.present, members)
  if (didMove && conflicts.length === 0 && latestReverted?.releaseId !== latestBefore?.releaseId) {
    conflicts.push(
      conflictOf(
        `latest of ${labelOf(latestAfter ?? latestBefore)} cannot go back to ${identOf(latestBefore)}: without this revision it is ${identOf(latestReverted)}`,
        latestBefore,
        latestAfter,
        latestReverted,
      ),
    )
  }
  return { delta: { joining, leaving }, conflicts }
}

/**
 * Undoes a change of members: those that came with it leave, and those that left with it return, unless they
 * have been deleted. `members` are all members afterwards; those that return are at the end.
 */
function undoMembers(
  rule: ViewRule,
  { before, after, now }: Pick<Undoing, 'before' | 'after' | 'now'>,
): {
  leaving: Members
  returning: Members
  members: Members
} {
  const beforeIds = idsOf(before)
  const afterIds = idsOf(after)
  const nowIds = idsOf(now)
  const leaving = now.filter(({ releaseId }) => afterIds.has(releaseId) && !beforeIds.has(releaseId))
  const returning = before.filter(
    ({ releaseId, isDeleted }) => !afterIds.has(releaseId) && !nowIds.has(releaseId) && !isDeleted,
  )
  const leavingIds = idsOf(leaving)
  const staying = now.filter(({ releaseId }) => !leavingIds.has(releaseId))
  return { leaving, returning, members: [...staying, ...returning.map(joiningUnder(rule))] }
}

function idsOf(members: Members): Set<number> {
  return new Set(members.map(({ releaseId }) => releaseId))
}

/** Combines the results of different lines. */
export function combine(parts: readonly Restored[]): Restored {
  return {
    delta: {
      joining: parts.flatMap(({ delta }) => delta.joining),
      leaving: parts.flatMap(({ delta }) => delta.leaving),
    },
    conflicts: parts.flatMap(({ conflicts }) => conflicts),
  }
}

/** Returns a release as it is once it joins under a rule. */
function joiningUnder(rule: ViewRule): (release: PastRelease) => PastRelease {
  return (release) => ({ ...release, isSkipped: skips(rule, release) })
}

/** Returns the answer of `latest` for a line with these members, under a rule. */
function latestOf(rule: ViewRule, members: Members): PastRelease | undefined {
  const answering = members.filter(({ isSkipped }) => !isSkipped)
  if (rule === 'promoted') return answering.at(-1)
  return answering.reduce<PastRelease | undefined>(
    (best, member) => (best === undefined || best.orderKey < member.orderKey ? member : best),
    undefined,
  )
}

function conflictOf(detail: string, ...releases: readonly (ViewRelease | undefined)[]): Conflict {
  return {
    detail,
    names: releases.flatMap((release) => (release === undefined ? [] : [releaseName(release)])),
  }
}

/** Returns why `latest` cannot answer a release again under a rule. */
function conflictsOf(rule: ViewRule, release: PastRelease | undefined): Conflict[] {
  if (release === undefined) return []
  const name = describeRelease(release)
  if (release.isDeleted) return [conflictOf(`${name} was deleted, and latest answered it`, release)]
  if (!skips(rule, release)) return []
  return [
    conflictOf(`${name} is yanked, and latest answered it: unyank it, or choose another state`, release),
  ]
}

function rejoining(release: ViewRelease): Joining {
  return { release, rejoins: true }
}

function identOf(release: ViewRelease | undefined): string {
  return release === undefined ? 'nothing' : formatIdent(release.ident)
}

function labelOf(release: ViewRelease | undefined): string {
  return release === undefined ? 'a package' : `${formatPackageName(release.ident)} for ${release.target}`
}
