import { getAccountName } from '../../accounts/account-store.ts'
import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { lineOf, parseIdent } from '../../package/ident.ts'
import type { Mark } from '../../package/mark.ts'
import type { Target } from '../../package/target.ts'
import { readMarks, updateMark } from '../../releases/mark-store.ts'
import type { Override } from '../../views/gates.ts'
import { findViewRelease } from '../../revisions/member-store.ts'
import { readPresentState } from '../../revisions/pointer-store.ts'
import { listViewsWith } from '../../revisions/view-store.ts'
import type { ViewDelta } from '../../views/plan.ts'
import type { View, ViewRelease } from '../../views/view.ts'
import { changeMembers } from '../views/promote.ts'
import type { PromotionOutcome } from '../views/make-revision.ts'

// Yanks, deprecations and holds. Only a yank changes views: `latest` skips the release under the rule
// `highest`. So that `latest` moves only together with members, the release joins again in each of these
// views, and its row says that `latest` skips it. Under `promoted`, `latest` stays until somebody promotes,
// demotes or rolls back.

interface MarkInput {
  readonly ident: string
  readonly target: Target
  readonly mark: Mark
  /** Overrides the freezes of views whose `latest` would move. */
  readonly override?: Override
}

export interface MarkOutcome {
  readonly isChanged: boolean
  /** The revisions that a yank, or its end, made. */
  readonly revisions: readonly PromotionOutcome[]
}

/**
 * Marks a release as yanked, deprecated or held. A mark that the release has already gets the new reason. A
 * yank makes a revision in each view with the rule `highest` that contains the release, even if `latest` of
 * the line stays: `latest` of its version, or for callers who see less, may move. Throws `not_found`,
 * `refused` if such a view is frozen, and `forbidden` if the caller may not override that.
 */
export async function markRelease(
  context: CommandContext,
  input: MarkInput & { readonly reason: string },
): Promise<MarkOutcome> {
  const { trx, at, actor } = context
  const { mark, reason } = input
  const release = await getRelease(context, input)
  const before = (await readMarks(trx, release.releaseId))[mark]
  if (before?.reason === reason) return { isChanged: false, revisions: [] }
  const by = actor.accountId === undefined ? undefined : await getAccountName(trx, actor.accountId)
  await updateMark(trx, release.releaseId, mark, { reason, by, since: at })
  await context.record({ kind: `release-${mark}`, ...nameOf(input), reason }, { originId: release.originId })
  if (mark !== 'yanked' || before !== undefined) return { isChanged: true, revisions: [] }
  const views = (await listViewsWith(trx, release)).filter(({ rule }) => rule === 'highest')
  const revisions = await changeEach(context, views, {
    act: 'yank',
    reason,
    override: input.override,
    deltaOf: async () => rejoin({ ...release, yanked: reason }),
  })
  return { isChanged: true, revisions }
}

/**
 * Removes a mark. A release that is no longer yanked makes a revision in each view whose `latest` skipped it,
 * even if `latest` stays. Throws like {@link markRelease}.
 */
export async function unmarkRelease(context: CommandContext, input: MarkInput): Promise<MarkOutcome> {
  const { trx } = context
  const { mark } = input
  const release = await getRelease(context, input)
  if ((await readMarks(trx, release.releaseId))[mark] === undefined)
    return { isChanged: false, revisions: [] }
  await updateMark(trx, release.releaseId, mark, undefined)
  await context.record({ kind: `release-un${mark}`, ...nameOf(input) }, { originId: release.originId })
  if (mark !== 'yanked') return { isChanged: true, revisions: [] }
  const revisions = await changeEach(context, await listViewsWith(trx, release, { isSkipped: true }), {
    act: 'unyank',
    override: input.override,
    deltaOf: async (view) => rejoinBelow(context, view, { ...release, yanked: undefined }),
  })
  return { isChanged: true, revisions }
}

async function changeEach(
  context: CommandContext,
  views: readonly View[],
  {
    deltaOf,
    ...details
  }: {
    act: 'yank' | 'unyank'
    reason?: string
    override: Override | undefined
    deltaOf: (view: View) => Promise<ViewDelta>
  },
): Promise<PromotionOutcome[]> {
  const outcomes: PromotionOutcome[] = []
  for (const view of views)
    outcomes.push(
      await changeMembers(context, view, await deltaOf(view), {
        ...details,
        // The rights to yank a release include what follows from the rules of views.
        by: 'operator',
      }),
    )
  return outcomes
}

function rejoin(...releases: readonly ViewRelease[]): ViewDelta {
  return { joining: releases.map((release) => ({ release, rejoins: true })), leaving: [] }
}

/**
 * Lets a release join again. Under `promoted`, the present answer of `latest` joins after the release, so
 * that `latest` stays.
 */
async function rejoinBelow({ trx }: CommandContext, view: View, release: ViewRelease): Promise<ViewDelta> {
  const delta = rejoin(release)
  if (view.rule === 'highest') return delta
  const pointer = (await readPresentState(trx, view, delta)).pointers.get(lineOf(release))
  return pointer === undefined ? delta : rejoin(release, pointer)
}

function nameOf({ ident, target }: MarkInput): { ident: string; target: Target } {
  return { ident, target }
}

async function getRelease({ trx }: CommandContext, { ident, target }: MarkInput): Promise<ViewRelease> {
  const release = await findViewRelease(trx, parseIdent(ident), target)
  if (release === undefined) throw new DepotError('not_found', `there is no release ${ident} for ${target}`)
  return release
}
