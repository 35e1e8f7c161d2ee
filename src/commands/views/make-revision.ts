import type { PointerMove, Promotion } from '../../ledger/entry.ts'
import { findHeadOf } from '../../ledger/ledger-store.ts'
import { lineKey, releaseName } from '../../package/ident.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { ensureChannels } from '../../channels/channel-store.ts'
import { closeMemberships, openMemberships } from '../../revisions/member-store.ts'
import { movePointers, readPresentState } from '../../revisions/pointer-store.ts'
import { describeMove, describeStep, joins, planChange } from '../../views/plan.ts'
import type { DescribedStep, DescribedUnsettled, Effect } from '../../views/plan.ts'
import { readPlannedMoves } from '../../revisions/plan-store.ts'
import { expectMovable } from '../../views/view.ts'
import type { ViewRule } from '../../views/rule.ts'
import type { View, ViewRelease } from '../../views/view.ts'
import { listPreviews, setViewRevision, setViewRule } from '../../revisions/view-store.ts'

/** The outcome of a change of a view. */
export interface PromotionOutcome {
  readonly view: string
  /** The revision that the promotion made, or the view's present revision if nothing changed. */
  readonly revision: number
  /** The hash of the ledger entry that made the revision. Absent in stored outcomes of earlier versions. */
  readonly hash?: string
  readonly isChanged: boolean
  /** The new rule, if it changed. */
  readonly rule?: ViewRule
  readonly releases: readonly DescribedStep[]
  /** The moves of `latest`. */
  readonly pointers: readonly PointerMove[]
  /** The overridden refusals. */
  readonly overridden: readonly string[]
  /**
   * The moves of `latest` that come soon after another move on the same line. Absent if there are none, or if
   * nobody looked.
   */
  readonly unsettled?: readonly DescribedUnsettled[]
}

/** A {@link PromotionOutcome} without the effect, which may be large. */
export type BriefOutcome = Pick<PromotionOutcome, 'view' | 'revision' | 'isChanged'>

export function briefly({ view, revision, isChanged }: PromotionOutcome): BriefOutcome {
  return { view, revision, isChanged }
}

/** The fields of a promotion that do not follow from its effect. */
export type PromotionDetails = Pick<
  Promotion,
  'act' | 'cause' | 'reason' | 'of' | 'only' | 'source' | 'proposer' | 'override'
>

/**
 * Writes the effect of a change as the view's next revision, and updates its previews. Writes nothing if the
 * view would not change. Does not check the view's gates. Throws `too_large`.
 */
export async function makeRevision(
  context: CommandContext,
  view: View,
  effect: Effect,
  details: PromotionDetails,
): Promise<PromotionOutcome> {
  const { trx } = context
  const joiningSteps = effect.steps.filter(joins)
  const joining = joiningSteps.map(({ release }) => release)
  const leaving = effect.steps.filter((step) => step.change === 'removed').map(({ release }) => release)
  const releases = effect.steps.map(describeStep)
  const overridden = details.override?.refusals ?? []
  if (joining.length + leaving.length === 0 && effect.rule === undefined)
    return {
      view: view.name,
      revision: view.revision,
      hash: (await findHeadOf(trx, view.id, view.revision)).hash,
      isChanged: false,
      releases,
      pointers: [],
      overridden,
    }

  const previews = view.hasPreviews ? await listPreviews(trx, { baseId: view.id }) : []
  expectMovable(view, joining.length + leaving.length, { previews: previews.length, act: details.act })
  const revision = view.revision + 1
  const rejoining = joiningSteps.filter(({ wasMember }) => wasMember).map(({ release }) => release)
  await writeRows(context, view, { revision, joining, ending: [...leaving, ...rejoining], effect })
  const pointers = effect.moves.map(describeMove)
  const rule = effect.rule === undefined ? {} : { rule: effect.rule }
  const promotion: Promotion = {
    kind: 'promotion',
    view: view.name,
    revision,
    ...details,
    ...rule,
    joined: joining.map(releaseName),
    left: leaving.map(releaseName),
    pointers,
  }
  const { hash } = await context.record(promotion, {
    viewId: view.id,
    ...subjectOf(details, [...joining, ...leaving]),
  })
  await moveInPreviews(context, previews, effect)
  return { view: view.name, revision, hash, isChanged: true, ...rule, releases, pointers, overridden }
}

/**
 * Writes the members, pointers, channels and the rule of a revision. Members that leave or rejoin are
 * `ending`.
 */
async function writeRows(
  { trx, actor, at }: CommandContext,
  view: View,
  {
    revision,
    joining,
    ending,
    effect: { moves, rule },
  }: {
    revision: number
    joining: readonly ViewRelease[]
    ending: readonly ViewRelease[]
    effect: Effect
  },
): Promise<void> {
  await closeMemberships(trx, view.id, ending, revision)
  await openMemberships(trx, view.id, joining, { revision, rule: rule ?? view.rule })
  await movePointers(trx, view.id, moves, revision)
  // An origin whose releases have a pointer has the channel already.
  await ensureChannels(trx, {
    originIds: moves.flatMap(({ from, to }) => (from === undefined && to ? [to.originId] : [])),
    viewId: view.id,
    ownerId: actor.accountId,
    at,
  })
  await setViewRevision(trx, { viewId: view.id, revision })
  if (rule !== undefined) await setViewRule(trx, view, { rule, from: revision })
}

/**
 * Applies the moves of `latest` to previews, except on lines that a preview's own plan moves. A move is a
 * change of members there, because the only members of a preview are the answers of `latest`.
 */
async function moveInPreviews(
  context: CommandContext,
  previews: readonly View[],
  { moves }: Effect,
): Promise<void> {
  const plannedLines = new Map<number, Set<string>>()
  for (const preview of previews) {
    const planId = preview.preview?.planId ?? 0
    const ownLines =
      plannedLines.get(planId) ?? new Set((await readPlannedMoves(context.trx, planId)).map(lineKey))
    plannedLines.set(planId, ownLines)
    const appliedMoves = moves.filter((move) => !ownLines.has(lineKey(describeMove(move))))
    const delta = {
      leaving: appliedMoves.flatMap(({ from }) => from ?? []),
      joining: appliedMoves.flatMap(({ to }) => (to === undefined ? [] : [{ release: to }])),
    }
    const effect = planChange(preview.rule, delta, await readPresentState(context.trx, preview, delta))
    await makeRevision(context, preview, effect, { act: 'promote', cause: 'preview' })
  }
}

/**
 * Returns the release under which Habitat's API lists a promotion as an event. Only a promotion that somebody
 * requested, and that promotes or demotes exactly one release, has such a release.
 */
function subjectOf(
  { act, cause }: PromotionDetails,
  releases: readonly ViewRelease[],
): { releaseId?: number } {
  const [first] = releases
  return first !== undefined &&
    releases.length === 1 &&
    cause === undefined &&
    (act === 'promote' || act === 'demote')
    ? { releaseId: first.releaseId }
    : {}
}
