import type { ReleaseName } from '../package/ident.ts'
import { describeRelease, formatIdent, formatPackageName, releaseName } from '../package/ident.ts'
import type { Joining, ViewDelta } from '../views/plan.ts'
import type { ViewRule } from '../views/rule.ts'
import type { ViewRelease } from '../views/view.ts'

// Rollbacks and reverts, computed as changes of the present view. Members are listed in the order in which
// they joined. Under `promoted`, this order decides `latest`, now and after later demotions.

/** A past member of a view. It may have been deleted since. */
export interface PastRelease extends ViewRelease {
  readonly isDeleted: boolean
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
 * conflict if another release is higher.
 */
export function restoreLine(rules: Rules, then: Members, now: Members): Restored {
  const wasLatest = leading(rules.past, then)
  const conflicts =
    wasLatest?.isDeleted === true
      ? [conflictOf(`${describeRelease(wasLatest)} was deleted, and latest answered it`, wasLatest)]
      : []
  const kept = then.filter(({ isDeleted }) => !isDeleted)
  const isLast = ({ releaseId }: PastRelease) =>
    rules.present === 'promoted' && releaseId === wasLatest?.releaseId
  const old = [...kept.filter((release) => !isLast(release)), ...kept.filter(isLast)]
  const willBe = leading(rules.present, old)
  if (wasLatest !== undefined && conflicts.length === 0 && willBe?.releaseId !== wasLatest.releaseId) {
    conflicts.push(
      conflictOf(
        `latest of ${labelOf(wasLatest)} cannot go back to ${identOf(wasLatest)}: under the rule ${rules.present} it would be ${identOf(willBe)}`,
        wasLatest,
        willBe,
      ),
    )
  }
  const oldIds = new Set(old.map(({ releaseId }) => releaseId))
  const nowIds = new Set(now.map(({ releaseId }) => releaseId))
  const leaving = now.filter(({ releaseId }) => !oldIds.has(releaseId))
  if (rules.present === 'highest')
    return {
      delta: { joining: old.filter(({ releaseId }) => !nowIds.has(releaseId)).map(joinAnew), leaving },
      conflicts,
    }
  const staying = now.filter(({ releaseId }) => oldIds.has(releaseId))
  const common = old.findIndex(({ releaseId }, index) => staying[index]?.releaseId !== releaseId)
  return { delta: { joining: common === -1 ? [] : old.slice(common).map(joinAnew), leaving }, conflicts }
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
  const rule = rules.present
  const [wasLatest, becameLatest, isLatest] = [
    leading(rules.past, before),
    leading(rules.past, after),
    leading(rule, now),
  ]
  const didMove = wasLatest?.releaseId !== becameLatest?.releaseId
  const conflicts: Conflict[] = []
  if (didMove && isLatest?.releaseId !== becameLatest?.releaseId) {
    conflicts.push(
      conflictOf(
        `latest of ${labelOf(becameLatest ?? wasLatest)} has moved on: it is ${identOf(isLatest)} since revision ${since}`,
        wasLatest,
        becameLatest,
        isLatest,
      ),
    )
  }
  if (didMove && wasLatest?.isDeleted === true)
    conflicts.push(conflictOf(`${describeRelease(wasLatest)} was deleted, and latest answered it`, wasLatest))
  const [wasThere, cameThere, isThere] = [idsOf(before), idsOf(after), idsOf(now)]
  const leaving = now.filter(({ releaseId }) => cameThere.has(releaseId) && !wasThere.has(releaseId))
  const returning = before.filter(
    ({ releaseId, isDeleted }) => !cameThere.has(releaseId) && !isThere.has(releaseId) && !isDeleted,
  )
  const gone = idsOf(leaving)
  const rest = [...now.filter(({ releaseId }) => !gone.has(releaseId)), ...returning]
  const joining = returning.map(joinAnew)
  // Under `promoted`, a returning release would become the one promoted last, so the answer of `latest`
  // rejoins after it.
  const target = rest.find((release) => release.releaseId === (didMove ? wasLatest : isLatest)?.releaseId)
  if (rule === 'promoted' && target !== undefined && rest.at(-1) !== target) {
    return {
      delta: {
        joining: [...joining.filter(({ release }) => release !== target), joinAnew(target)],
        leaving,
      },
      conflicts,
    }
  }
  const willBe = leading(rule, rest)
  if (didMove && conflicts.length === 0 && willBe?.releaseId !== wasLatest?.releaseId) {
    conflicts.push(
      conflictOf(
        `latest of ${labelOf(becameLatest ?? wasLatest)} cannot go back to ${identOf(wasLatest)}: without this revision it is ${identOf(willBe)}`,
        wasLatest,
        becameLatest,
        willBe,
      ),
    )
  }
  return { delta: { joining, leaving }, conflicts }
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

/** Returns the member that the rule puts first. */
function leading(rule: ViewRule, members: Members): PastRelease | undefined {
  if (rule === 'promoted') return members.at(-1)
  return members.reduce<PastRelease | undefined>(
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

function joinAnew(release: ViewRelease): Joining {
  return { release, rejoins: true }
}

function identOf(release: ViewRelease | undefined): string {
  return release === undefined ? 'nothing' : formatIdent(release.ident)
}

function labelOf(release: ViewRelease | undefined): string {
  return release === undefined ? 'a package' : `${formatPackageName(release.ident)} for ${release.target}`
}
