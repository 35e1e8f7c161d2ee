import type { PointerMove, Promotion, ReleaseName } from '../ledger/entry.ts'
import { DepotError } from '../errors.ts'
import type { ErrorCode, ErrorPart } from '../errors.ts'
import { getOwnerId } from '../origins/origin-store.ts'
import { formatIdent, formatPackageName, parseIdent } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import type { Change } from '../writer/change.ts'
import { findOutcome, forgetOldOutcomes, keepOutcome } from '../writer/idempotency-store.ts'
import type { IdempotencyKey } from '../writer/idempotency-store.ts'
import { channelExists, findChannel, insertChannel } from './channel-store.ts'
import { describeStep, movesPointer, planPromotion } from './plan.ts'
import type { Candidate, ReleaseChange, Step } from './plan.ts'
import { UNSTABLE } from './view.ts'
import type { View, ViewRelease } from './view.ts'
import * as views from './view-store.ts'

export interface PromotionInput {
  readonly view: string
  /** In the order they are promoted; one named twice counts once. */
  readonly releases: readonly { readonly ident: string; readonly target: Target }[]
  readonly reason?: string
  /** Refuse with `stale_revision` unless the view is at this revision. */
  readonly expectRevision?: number
  readonly idempotency?: IdempotencyKey
}

export interface PromotionOutcome {
  readonly view: string
  /** The revision this promotion made or, where it changed nothing, the one the view is at. */
  readonly revision: number
  readonly isChanged: boolean
  readonly releases: readonly (ReleaseName & { change: ReleaseChange | 'removed'; from?: string })[]
  /** What `latest` now answers differently. */
  readonly pointers: readonly PointerMove[]
}

/**
 * Moves any number of releases into a view, all or none. Throws `not_found` for a view or release, `stale_revision`,
 * `idempotency_mismatch`.
 */
export async function promote(change: Change, input: PromotionInput): Promise<PromotionOutcome> {
  return once(change, input.idempotency, async () => {
    const view = await viewToChange(change, input)
    const releases = await namedReleases(change, input)
    await expectChannels(change, view, releases)
    return join(change, view, releases, input.reason === undefined ? {} : { reason: input.reason })
  })
}

/** Takes releases out of a view, all or none. Throws as {@link promote}, `not_member`, and `refused` for `unstable`. */
export async function demote(change: Change, input: PromotionInput): Promise<PromotionOutcome> {
  return once(change, input.idempotency, async () => {
    const view = await viewToChange(change, input)
    if (view.name === UNSTABLE) throw new DepotError('refused', `nothing is demoted from ${UNSTABLE}: it holds every release`)
    const releases = await namedReleases(change, input)
    await expectMembers(change, view, releases)
    return leave(change, view, releases, input.reason === undefined ? {} : { reason: input.reason })
  })
}

/** The change that {@link promote} and an upload share. */
export async function join(
  change: Change,
  view: View,
  releases: readonly ViewRelease[],
  why: Pick<Promotion, 'reason' | 'cause'>,
): Promise<PromotionOutcome> {
  const { trx } = change
  const candidates: Candidate[] = []
  for (const release of releases) {
    const isMember = await views.isMember(trx, view.id, release)
    candidates.push({ release, isMember, pointer: await views.findPointer(trx, view.id, release.packageId, release.target) })
  }
  const steps = planPromotion(view.rule, candidates)
  const described = steps.map(describeStep)
  const effective = steps.filter((step) => step.change !== 'unchanged')
  if (effective.length === 0) return { view: view.name, revision: view.revision, isChanged: false, releases: described, pointers: [] }

  const revision = view.revision + 1
  for (const [position, step] of effective.entries()) {
    await views.closeMembership(trx, view.id, step.release, revision)
    await views.openMembership(trx, view.id, step.release, { revision, position })
    if (movesPointer(step)) await views.movePointer(trx, view.id, { packageId: step.release.packageId, target: step.release.target, to: step.release }, revision)
  }
  await keepChannels(change, view, releases)
  const joined = effective.map(({ release }) => nameOf(release))
  const pointers = effective.filter(movesPointer).map((step) => moveOf(step))
  await makeRevision(change, view, { revision, act: 'promote', joined, left: [], pointers, ...why }, effective.map((step) => step.release))
  return { view: view.name, revision, isChanged: true, releases: described, pointers }
}

/** The change that {@link demote} and the removal of a channel share. Every release must be a member. */
export async function leave(
  change: Change,
  view: View,
  releases: readonly ViewRelease[],
  why: Pick<Promotion, 'reason' | 'cause'>,
): Promise<PromotionOutcome> {
  const { trx } = change
  const revision = view.revision + 1
  const before = new Map<string, { release: ViewRelease; pointer: ViewRelease }>()
  for (const release of releases) {
    const pointer = await views.findPointer(trx, view.id, release.packageId, release.target)
    if (pointer?.releaseId === release.releaseId) before.set(`${release.packageId} ${release.target}`, { release, pointer })
    await views.closeMembership(trx, view.id, release, revision)
  }
  const pointers: PointerMove[] = []
  for (const { release, pointer } of before.values()) {
    const to = await views.findFirstMember(trx, view, release.packageId, release.target)
    await views.movePointer(trx, view.id, { packageId: release.packageId, target: release.target, to }, revision)
    pointers.push({
      package: formatPackageName(release.ident),
      target: release.target,
      from: formatIdent(pointer.ident),
      to: to === undefined ? null : formatIdent(to.ident),
    })
  }
  await makeRevision(change, view, { revision, act: 'demote', joined: [], left: releases.map(nameOf), pointers, ...why }, releases)
  const removed = releases.map((release) => ({ ...nameOf(release), change: 'removed' as const }))
  return { view: view.name, revision, isChanged: true, releases: removed, pointers }
}

async function viewToChange(change: Change, input: PromotionInput): Promise<View> {
  const view = await views.getView(change.trx, input.view)
  if (input.expectRevision !== undefined && input.expectRevision !== view.revision) {
    throw new DepotError('stale_revision', `${view.name} is at revision ${view.revision}, not ${input.expectRevision}`)
  }
  return view
}

async function namedReleases(change: Change, input: PromotionInput): Promise<ViewRelease[]> {
  const releases = new Map<number, ViewRelease>()
  const missing: ErrorPart[] = []
  for (const [index, { ident, target }] of input.releases.entries()) {
    const release = await views.findViewRelease(change.trx, parseIdent(ident), target)
    if (release === undefined) missing.push({ detail: `there is no release ${ident} for ${target}`, pointer: `/releases/${index}` })
    else releases.set(release.releaseId, release)
  }
  if (missing.length > 0) throw refusalOf('not_found', missing)
  return [...releases.values()]
}

async function expectMembers(change: Change, view: View, releases: readonly ViewRelease[]): Promise<void> {
  const strangers: ErrorPart[] = []
  for (const release of releases) {
    if (await views.isMember(change.trx, view.id, release)) continue
    strangers.push({ detail: `${formatIdent(release.ident)} (${release.target}) is not in ${view.name}` })
  }
  if (strangers.length > 0) throw refusalOf('not_member', strangers)
}

/** Tells of the first in one sentence, and of all in parts. */
function refusalOf(code: ErrorCode, parts: readonly ErrorPart[]): DepotError {
  const [first, ...others] = parts
  const message = others.length === 0 ? first?.detail : `${first?.detail}, and ${others.length} more`
  return new DepotError(code, message ?? code, { parts })
}

/** A view that only Habitat clients made is open to an origin once that origin has made it too. */
async function expectChannels(change: Change, view: View, releases: readonly ViewRelease[]): Promise<void> {
  if (view.maker !== 'client') return
  for (const [originId, release] of byOrigin(releases)) {
    if (await channelExists(change.trx, originId, view.id)) continue
    throw new DepotError('not_found', `the origin ${release.ident.origin} has no channel ${view.name}`)
  }
}

async function keepChannels(change: Change, view: View, releases: readonly ViewRelease[]): Promise<void> {
  for (const originId of byOrigin(releases).keys()) {
    if ((await findChannel(change.trx, originId, view.id)) !== undefined) continue
    const ownerId = change.actor.accountId ?? (await getOwnerId(change.trx, originId))
    await insertChannel(change.trx, { originId, viewId: view.id, ownerId, isDeclared: false, at: change.at })
  }
}

async function makeRevision(change: Change, view: View, promotion: Omit<Promotion, 'kind' | 'view'>, releases: readonly ViewRelease[]): Promise<void> {
  await views.setViewRevision(change.trx, view.id, promotion.revision)
  const [only] = releases.length === 1 && promotion.cause === undefined ? releases : []
  await change.record({ kind: 'promotion', view: view.name, ...promotion }, { viewId: view.id, ...(only && { releaseId: only.releaseId }) })
}

/** Answers a request that came before with the same key as it was answered then. */
async function once(change: Change, key: IdempotencyKey | undefined, act: () => Promise<PromotionOutcome>): Promise<PromotionOutcome> {
  const accountId = change.actor.accountId
  if (key === undefined || accountId === undefined) return act()
  await forgetOldOutcomes(change.trx, change.at)
  const kept = await findOutcome(change.trx, accountId, key)
  if (kept !== undefined) return kept as PromotionOutcome
  const outcome = await act()
  await keepOutcome(change.trx, accountId, key, outcome, change.at)
  return outcome
}

function byOrigin(releases: readonly ViewRelease[]): Map<number, ViewRelease> {
  return new Map(releases.map((release) => [release.originId, release]))
}

function nameOf(release: ViewRelease): ReleaseName {
  return { ident: formatIdent(release.ident), target: release.target }
}

function moveOf(step: Step): PointerMove {
  return {
    package: formatPackageName(step.release.ident),
    target: step.release.target,
    from: step.from === undefined ? null : formatIdent(step.from.ident),
    to: formatIdent(step.release.ident),
  }
}
