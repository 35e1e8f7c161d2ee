import { UNRESTRICTED_AUDIENCE } from '../../access/access.ts'
import type { Authority } from '../../access/access.ts'
import { inBatches } from '../../database/batches.ts'
import type { Db } from '../../database/database.ts'
import { DepotError, quote, refusalOf } from '../../errors.ts'
import { lineKey, lineOf, parseIdent, releaseKey } from '../../package/ident.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { SAME_RIGHT, runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import { deleteChannelsOf } from '../../channels/channel-store.ts'
import { createView } from './create-view.ts'
import { findReleases } from '../../revisions/dependency-store.ts'
import { requesterOf, expectMayChangeView, rightsRefusals } from '../../views/gates.ts'
import { makeRevision } from './make-revision.ts'
import { filterMembers } from '../../revisions/member-store.ts'
import { listPointersOf, readPresentState } from '../../revisions/pointer-store.ts'
import { planChange } from '../../views/plan.ts'
import type { PresentState } from '../../views/plan.ts'
import { getPlan, getPlanById } from '../../revisions/plan-store.ts'
import { changesAnything, expiryOf } from '../../revisions/stored-plan.ts'
import type { StoredPlan } from '../../revisions/stored-plan.ts'
import { setUngoverned } from './ungoverned.ts'
import { MAX_MOVED_RELEASES, UNSTABLE } from '../../views/view.ts'
import type { View, ViewRelease } from '../../views/view.ts'
import {
  closeView,
  findView,
  getView,
  getViewById,
  listPreviews,
  setPreview,
} from '../../revisions/view-store.ts'

// A preview is an ordinary view with the pointers of its base view, except those that its plan moves. It
// follows its base (make-revision.ts), and is closed when its plan is applied or rejected, or when it is
// dropped. Its only members are the answers of `latest`.

/** The maximum number of previews of one base view. Each revision of the base is written again for each. */
const MAX_PREVIEWS = 10

interface NewPreview {
  readonly name: string
  /** The token of the plan that the preview shows. */
  readonly plan: string
}

/**
 * Creates a view that shows the effect of a plan. Throws `not_found` for the plan; `forbidden` if the caller
 * neither made the plan nor is an administrator, or may not make its change; `conflict` for a plan that has
 * ended or expired, and at the limit of previews; `refused` for a plan that changes nothing, and for
 * `unstable`; `too_large` if the previews of the view would point to too many releases; and `already_exists`
 * and `invalid_request` for the name.
 */
export async function makePreview(
  context: CommandContext,
  { idempotency, ...input }: NewPreview & { idempotency?: IdempotencyKey },
): Promise<View> {
  const { name } = await runOnce(context, idempotency, SAME_RIGHT, () => insertPreview(context, input))
  return getView(context.trx, name)
}

async function insertPreview(context: CommandContext, input: NewPreview): Promise<{ name: string }> {
  const plan = await getPlan(context.trx, input.plan)
  expectPreviewable(plan, context)
  const base = await getView(context.trx, plan.view)
  expectMayPreview(context.caller, plan, base)
  const { length: others } = await listPreviews(context.trx, { baseId: base.id })
  if (others >= MAX_PREVIEWS)
    throw new DepotError('conflict', `${base.name} already has ${MAX_PREVIEWS} previews, which is the limit`)
  const pointers = await context.read(`pointers of a preview of ${base.name}`, { views: [base.name] }, (db) =>
    readPointers(db, base, plan),
  )
  if (pointers.size * (1 + others) > MAX_MOVED_RELEASES)
    throw new DepotError(
      'too_large',
      `${base.name} and its previews would point to ${pointers.size * (1 + others)} releases, and ${MAX_MOVED_RELEASES} are the limit`,
    )
  const created = await createView(context, { name: input.name, rule: 'promoted', maker: 'operator' })
  await setPreview(context.trx, created.id, { baseId: base.id, planId: plan.id })
  await context.record(
    { kind: 'preview-made', view: created.name, base: base.name, plan: plan.token },
    { viewId: created.id },
  )
  await setUngoverned(context, created, base.ungoverned)
  await setPointers(context, await getView(context.trx, created.name), pointers)
  return { name: created.name }
}

/**
 * Checks that the caller made the plan or is an administrator, and that the plan is open and changes its
 * view. Throws like {@link makePreview}.
 */
function expectPreviewable(plan: StoredPlan, { caller, clock }: CommandContext): void {
  expectAuthor(plan, caller)
  if (plan.effect.refusals.some(({ rule }) => rule === 'rights'))
    throw new DepotError('forbidden', 'the author of the plan may not make its change')
  if (plan.end !== undefined)
    throw new DepotError('conflict', `there is nothing to preview: the plan is ${plan.end.how}`)
  if (expiryOf(plan, clock.now) <= clock.now)
    throw new DepotError('conflict', 'there is nothing to preview: the plan has expired')
  // Rights are checked only for releases that move, so without this anyone could take a name with an empty
  // plan.
  if (!changesAnything(plan.effect))
    throw new DepotError('refused', `there is nothing to preview: ${plan.view} would not change`)
}

/**
 * Throws `forbidden` if the caller may no longer make the plan's change, and `refused` for `unstable`, which
 * can have no previews.
 */
function expectMayPreview(caller: Authority, plan: StoredPlan, base: View): void {
  expectMayChangeView(caller, base)
  const origins = new Set(
    plan.effect.releases
      .filter((step) => step.change !== 'unchanged')
      .map(({ ident }) => parseIdent(ident).origin),
  )
  const requester = requesterOf(caller)
  const refusals =
    requester === undefined ? [] : rightsRefusals(base, origins, { requester, isApproval: false })
  if (refusals.length > 0) throw refusalOf('forbidden', refusals)
  if (base.name === UNSTABLE)
    throw new DepotError('refused', `${UNSTABLE} has no preview: every release is in it`)
}

/**
 * Closes a preview and keeps its plan. Throws `not_found`, `refused` for a view that is not a preview, and
 * `forbidden` if the caller neither made the plan nor is an administrator.
 */
export async function dropPreview(context: CommandContext, input: { name: string }): Promise<void> {
  const view = await findView(context.trx, input.name)
  if (view === undefined || view.closedAt !== undefined)
    throw new DepotError('not_found', `there is no view ${quote(input.name)}`)
  if (view.preview === undefined)
    throw new DepotError('refused', `${view.name} is not a preview, and cannot be dropped`)
  expectAuthor(await getPlanById(context.trx, view.preview.planId), context.caller)
  await closePreview(context, view)
}

/** Closes the previews of a plan. */
export async function closePreviews(context: CommandContext, planId: number): Promise<void> {
  for (const preview of await listPreviews(context.trx, { planId })) await closePreview(context, preview)
}

/** Makes the previews of one plan show another plan. */
export async function showInPreviews(
  context: CommandContext,
  base: View,
  planId: number,
  next: StoredPlan,
): Promise<void> {
  const previews = await listPreviews(context.trx, { planId })
  if (previews.length === 0) return
  const pointers = await readPointers(context.trx, base, next)
  for (const preview of previews) {
    await setPreview(context.trx, preview.id, { baseId: base.id, planId: next.id })
    await setPointers(context, preview, pointers)
  }
}

/** Removes a release from a preview, because the release is being deleted. */
export async function removeFromPreview(
  context: CommandContext,
  preview: View,
  release: ViewRelease,
): Promise<void> {
  const delta = { joining: [], leaving: await filterMembers(context.trx, preview, [release]) }
  const effect = planChange(preview.rule, delta, await readPresentState(context.trx, preview, delta))
  await makeRevision(context, await getViewById(context.trx, preview.id), effect, {
    act: 'demote',
    cause: 'release-deleted',
  })
}

/** Reads the pointers that a preview should have, by line: those of its base, with the moves of the plan. */
async function readPointers(db: Db, base: View, { effect }: StoredPlan): Promise<Map<string, ViewRelease>> {
  const pointers = new Map((await listPointersOf(db, base.id)).map((pointer) => [lineOf(pointer), pointer]))
  const moves = effect.pointers
  const found = await findReleases(
    db,
    moves.flatMap(({ to, target }) => (to === null ? [] : [{ ident: to, target }])),
    UNRESTRICTED_AUDIENCE,
  )
  for (const move of moves) {
    const { to, target } = move
    const release = to === null ? undefined : found.get(releaseKey({ ident: to, target }))
    if (release === undefined) pointers.delete(lineKey(move))
    else pointers.set(lineKey(move), release)
  }
  return pointers
}

/** Replaces the pointers of a preview in one revision. */
async function setPointers(
  context: CommandContext,
  preview: View,
  pointers: ReadonlyMap<string, ViewRelease>,
): Promise<void> {
  const before = await listPointersOf(context.trx, preview.id)
  const present = new Set(before.map(({ releaseId }) => releaseId))
  const wanted = new Set([...pointers.values()].map(({ releaseId }) => releaseId))
  const delta = {
    joining: [...pointers.values()]
      .filter(({ releaseId }) => !present.has(releaseId))
      .map((release) => ({ release })),
    leaving: before.filter(({ releaseId }) => !wanted.has(releaseId)),
  }
  const effect = planChange(preview.rule, delta, await readPresentState(context.trx, preview, delta))
  await makeRevision(context, preview, effect, { act: 'promote', cause: 'preview' })
}

/**
 * Removes all releases from a preview, and closes it. A preview that has grown with its base beyond {@link
 * MAX_MOVED_RELEASES} needs several revisions for that.
 */
async function closePreview(context: CommandContext, preview: View): Promise<void> {
  const pointers = await context.read(`the end of ${preview.name}`, { views: [preview.name] }, (db) =>
    listPointersOf(db, preview.id),
  )
  for (const leaving of inBatches(pointers, MAX_MOVED_RELEASES)) {
    const effect = planChange(preview.rule, { joining: [], leaving }, stateOf(leaving))
    await makeRevision(context, await getViewById(context.trx, preview.id), effect, {
      act: 'demote',
      cause: 'preview',
    })
  }
  await deleteChannelsOf(context.trx, preview.id)
  await closeView(context.trx, preview.id, context.at)
  await context.record({ kind: 'view-closed', view: preview.name }, { viewId: preview.id })
}

/** Returns the state of some lines of a preview. The only member of each line is the answer of `latest`. */
function stateOf(pointers: readonly ViewRelease[]): PresentState {
  return {
    members: new Set(pointers.map(({ releaseId }) => releaseId)),
    pointers: new Map(pointers.map((pointer) => [lineOf(pointer), pointer])),
    successors: new Map(),
  }
}

/** Throws `forbidden` unless the caller made the plan or is an administrator. */
function expectAuthor(plan: StoredPlan, caller: Authority): void {
  const requester = requesterOf(caller)
  if (requester === undefined || requester.isAdministrator || requester.account === plan.account) return
  throw new DepotError('forbidden', `the plan was made by ${plan.account ?? 'the operator'}`)
}
