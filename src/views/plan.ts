import { formatIdent, formatPackageName } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import type { ViewRelease, ViewRule } from './view.ts'

/** What a promotion would do with one of its releases. */
export type ReleaseChange =
  | 'added' //      it becomes what `latest` answers, where there was nothing
  | 'moved' //      `latest` goes up to it
  | 'downgraded' // `latest` goes down to it
  | 'joined' //     it becomes a member, or does so anew, and `latest` stays where it is
  | 'unchanged' //  it is already what `latest` answers, or already a member below it

/** A release to promote, with what the view holds of it and of its package now. */
export interface Candidate {
  readonly release: ViewRelease
  readonly isMember: boolean
  readonly pointer: ViewRelease | undefined
}

export interface Step {
  readonly release: ViewRelease
  readonly change: ReleaseChange
  /** Where the pointer of its package and target stood before, when it moves. */
  readonly from: ViewRelease | undefined
}

/**
 * What promoting these releases, in this order, means under a view's rule. Of several releases of one package and target,
 * `promoted` points to the last one named and `highest` to the highest.
 */
export function planPromotion(rule: ViewRule, candidates: readonly Candidate[]): Step[] {
  const last = new Map(candidates.map((candidate) => [lineOf(candidate.release), candidate]))
  const highest = new Map<string, Candidate>()
  for (const candidate of candidates) {
    const best = highest.get(lineOf(candidate.release))
    if (best === undefined || best.release.orderKey < candidate.release.orderKey) highest.set(lineOf(candidate.release), candidate)
  }
  const joinedLines = new Set(candidates.filter((candidate) => !candidate.isMember).map((candidate) => lineOf(candidate.release)))
  return candidates.map((candidate) => {
    const { release, pointer } = candidate
    const leads = (rule === 'promoted' ? last : highest).get(lineOf(release)) === candidate
    const moves = leads && (rule === 'promoted' ? pointer?.releaseId !== release.releaseId : pointer === undefined || pointer.orderKey < release.orderKey)
    // Where others join beside what `latest` answers, and it is named last, it joins anew, so as to be the one promoted last.
    const stands = candidate.isMember && !(rule === 'promoted' && leads && joinedLines.has(lineOf(release)))
    return { release, change: changeOf(release, { stands, pointer, moves }), from: moves ? pointer : undefined }
  })
}

/** What a pointer belongs to: one package for one target. */
export function lineOf(release: ViewRelease): string {
  return `${formatPackageName(release.ident)} ${release.target}`
}

export function movesPointer(step: Step): boolean {
  return step.change === 'added' || step.change === 'moved' || step.change === 'downgraded'
}

export function describeStep(step: Step): { ident: string; target: Target; change: ReleaseChange; from?: string } {
  const described = { ident: formatIdent(step.release.ident), target: step.release.target, change: step.change }
  return step.from === undefined ? described : { ...described, from: formatIdent(step.from.ident) }
}

function changeOf(release: ViewRelease, state: { stands: boolean; pointer: ViewRelease | undefined; moves: boolean }): ReleaseChange {
  if (!state.moves) return state.stands ? 'unchanged' : 'joined'
  if (state.pointer === undefined) return 'added'
  return state.pointer.orderKey < release.orderKey ? 'moved' : 'downgraded'
}
