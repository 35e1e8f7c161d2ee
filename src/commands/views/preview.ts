import { EVERYONE } from '../../access/access.ts'
import type { Authority } from '../../access/access.ts'
import type { Db } from '../../database/database.ts'
import { DepotError, quote, refusalOf } from '../../errors.ts'
import { lineKey, lineOf, parseIdent, releaseKey } from '../../package/ident.ts'
import type { Change } from '../../ledger/command-context.ts'
import { deleteChannelsOf } from '../../channels/channel-store.ts'
import { createView } from './create-view.ts'
import { findReleases } from '../../revisions/dependency-store.ts'
import { requesterOf, expectMayChangeView, rightsRefusals } from '../../views/gates.ts'
import { makeRevision } from './make-revision.ts'
import { onlyMembers } from '../../revisions/member-store.ts'
import { listPointersOf, readPresentState } from '../../revisions/pointer-store.ts'
import { planChange } from '../../views/plan.ts'
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

// A preview is an ordinary view with the pointers of its base, except those that its plan moves. It follows its base
// (make-revision.ts), and is closed when the plan is applied or dropped.

/** The maximum for one view. Each promotion of the view is written again for each preview. */
const MAX_PREVIEWS = 10

/**
 * Creates a view that shows the effect of a plan. Throws `not_found` for the plan, `conflict` for a plan that has
 * ended or expired and at the limit of previews, `refused` for a plan that changes nothing, `forbidden` if the caller
 * did not make the plan or may not make its change, and `already_exists` and `invalid_request` for the name.
 */
export async function makePreview(change: Change, input: { name: string; plan: string }): Promise<View> {
  const plan = await getPlan(change.trx, input.plan)
  expectOwn(plan, change.caller)
  if (plan.effect.refusals.some(({ rule }) => rule === 'rights'))
    throw new DepotError('forbidden', 'the author of this plan may not make its change')
  if (plan.end !== undefined)
    throw new DepotError('conflict', `there is nothing to preview: the plan is ${plan.end.how}`)
  if (expiryOf(plan, change.clock.now) <= change.clock.now)
    throw new DepotError('conflict', 'there is nothing to preview: the plan has expired')
  // Rights are checked for moving releases, so anyone could take a name with an empty plan.
  if (!changesAnything(plan.effect))
    throw new DepotError('refused', `there is nothing to preview: ${plan.view} would not change`)
  const base = await getView(change.trx, plan.view)
  expectMayChangeView(change.caller, base)
  const origins = new Set(
    plan.effect.releases
      .filter((step) => step.change !== 'unchanged')
      .map(({ ident }) => parseIdent(ident).origin),
  )
  const requester = requesterOf(change.caller)
  const refusals =
    requester === undefined ? [] : rightsRefusals(base, origins, { requester, isApproval: false })
  if (refusals.length > 0) throw refusalOf('forbidden', refusals)
  if (base.name === UNSTABLE)
    throw new DepotError('refused', `${UNSTABLE} has no preview: every release is in it`)
  const { length: others } = await listPreviews(change.trx, { baseId: base.id })
  if (others >= MAX_PREVIEWS)
    throw new DepotError('conflict', `${base.name} already has ${MAX_PREVIEWS} previews, which is the limit`)
  const pointers = await change.read(`pointers of a preview of ${base.name}`, { views: [base.name] }, (db) =>
    readPointers(db, base, plan),
  )
  if (pointers.size * (1 + others) > MAX_MOVED_RELEASES)
    throw new DepotError(
      'too_large',
      `${base.name} and its previews would point to ${pointers.size * (1 + others)} releases, and ${MAX_MOVED_RELEASES} are the limit`,
    )
  const made = await createView(change, { name: input.name, rule: 'promoted', maker: 'operator' })
  await setPreview(change.trx, made.id, { baseId: base.id, planId: plan.id })
  await change.record(
    { kind: 'preview-made', view: made.name, base: base.name, plan: plan.token },
    { viewId: made.id },
  )
  await setUngoverned(change, made, base.ungoverned)
  await fill(change, await getView(change.trx, made.name), pointers)
  return getView(change.trx, made.name)
}

/**
 * Closes a preview and keeps its plan. Throws `not_found`, `refused` for other views, and `forbidden` if the caller
 * did not make the plan.
 */
export async function dropPreview(change: Change, input: { name: string }): Promise<void> {
  const view = await findView(change.trx, input.name)
  if (view === undefined || view.closedAt !== undefined)
    throw new DepotError('not_found', `there is no view ${quote(input.name)}`)
  if (view.preview === undefined)
    throw new DepotError('refused', `${view.name} is not a preview, and cannot be dropped`)
  expectOwn(await getPlanById(change.trx, view.preview.planId), change.caller)
  await close(change, view)
}

/** Closes the previews of a plan. */
export async function closePreviews(change: Change, planId: number): Promise<void> {
  for (const preview of await listPreviews(change.trx, { planId })) await close(change, preview)
}

/** Makes the previews of one plan show another plan. */
export async function showInPreviews(
  change: Change,
  base: View,
  planId: number,
  next: StoredPlan,
): Promise<void> {
  const previews = await listPreviews(change.trx, { planId })
  if (previews.length === 0) return
  const pointers = await readPointers(change.trx, base, next)
  for (const preview of previews) {
    await setPreview(change.trx, preview.id, { baseId: base.id, planId: next.id })
    await fill(change, preview, pointers)
  }
}

/** Removes a deleted release from a preview. */
export async function leavePreview(change: Change, preview: View, release: ViewRelease): Promise<void> {
  const delta = { joining: [], leaving: await onlyMembers(change.trx, preview, [release]) }
  const effect = planChange(preview.rule, delta, await readPresentState(change.trx, preview, delta))
  await makeRevision(change, await getViewById(change.trx, preview.id), effect, {
    act: 'demote',
    cause: 'release-deleted',
  })
}

/** Reads the pointers of a preview, by line: those of its base, with the moves of the plan. */
async function readPointers(db: Db, base: View, { effect }: StoredPlan): Promise<Map<string, ViewRelease>> {
  const pointers = new Map((await listPointersOf(db, base.id)).map((pointer) => [lineOf(pointer), pointer]))
  const moves = effect.pointers
  const found = await findReleases(
    db,
    moves.flatMap(({ to, target }) => (to === null ? [] : [{ ident: to, target }])),
    EVERYONE,
  )
  for (const move of moves) {
    const { to, target } = move
    const release = to === null ? undefined : found.get(releaseKey({ ident: to, target }))
    if (release === undefined) pointers.delete(lineKey(move))
    else pointers.set(lineKey(move), release)
  }
  return pointers
}

/** Sets the pointers of a preview. */
async function fill(
  change: Change,
  preview: View,
  pointers: ReadonlyMap<string, ViewRelease>,
): Promise<void> {
  const before = await listPointersOf(change.trx, preview.id)
  const stays = (release: ViewRelease) => pointers.get(lineOf(release))?.releaseId === release.releaseId
  const staying = new Set(before.filter(stays).map(({ releaseId }) => releaseId))
  const joining = [...pointers.values()]
    .filter(({ releaseId }) => !staying.has(releaseId))
    .map((release) => ({ release }))
  const delta = { joining, leaving: before.filter((release) => !stays(release)) }
  const effect = planChange(preview.rule, delta, await readPresentState(change.trx, preview, delta))
  await makeRevision(change, preview, effect, { act: 'promote', cause: 'preview' })
}

async function close(change: Change, preview: View): Promise<void> {
  const effect = await change.read(`the end of ${preview.name}`, { views: [preview.name] }, async (db) => {
    const delta = { joining: [], leaving: await listPointersOf(db, preview.id) }
    return planChange(preview.rule, delta, await readPresentState(db, preview, delta))
  })
  await makeRevision(change, preview, effect, { act: 'demote', cause: 'preview' })
  await deleteChannelsOf(change.trx, preview.id)
  await closeView(change.trx, preview.id, change.at)
  await change.record({ kind: 'view-closed', view: preview.name }, { viewId: preview.id })
}

function expectOwn(plan: StoredPlan, caller: Authority): void {
  const requester = requesterOf(caller)
  if (requester === undefined || requester.isAdministrator || requester.account === plan.account) return
  throw new DepotError('forbidden', `the plan was made by ${plan.account ?? 'the operator'}`)
}
