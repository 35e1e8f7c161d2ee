import { EVERYONE } from '../accounts/access.ts'
import type { Audience } from '../accounts/access.ts'
import { DepotError } from '../errors.ts'
import type { Target } from '../package/target.ts'
import type { Change } from '../writer/change.ts'
import { once } from '../writer/idempotency-store.ts'
import type { IdempotencyKey } from '../writer/idempotency-store.ts'
import { channelExists } from './channel-store.ts'
import type { ChangeRequest } from './change-request.ts'
import { consider, expectAllowed } from './consider.ts'
import type { Considered, Context, Override } from './consider.ts'
import type { Asker } from './gates.ts'
import { makeRevision } from './make-revision.ts'
import type { PromotionOutcome, Why } from './make-revision.ts'
import type { Wanted } from './plan.ts'
import { resolve } from './resolve.ts'
import type { Resolved } from './resolve.ts'
import { UNSTABLE } from './view.ts'
import type { View, ViewRelease } from './view.ts'
import { getView } from './view-store.ts'

/** How a change is asked for, whatever it is. */
export interface Asking {
  readonly reason?: string
  /** Refuse with `stale_revision` unless the view is at this revision. */
  readonly expectRevision?: number
  readonly idempotency?: IdempotencyKey
  /** Whom the rules of the view are asked about; absent for the operator's shell. */
  readonly asker?: Asker
  readonly override?: Override
}

export interface PromotionInput extends Asking {
  readonly view: string
  /** In the order they are promoted; one named twice counts once. */
  readonly releases: readonly { readonly ident: string; readonly target: Target }[]
  /** Whose eyes look for them; everyone's, unless it is said. */
  readonly audience?: Audience
}

/** Moves releases into a view. As {@link changeView}. */
export async function promote(change: Change, { view, releases, audience = EVERYONE, ...asking }: PromotionInput): Promise<PromotionOutcome> {
  return changeView(change, { ...asking, request: { view, act: 'promote', audience, source: { releases } } })
}

/** Takes releases out of a view. As {@link changeView}. */
export async function demote(change: Change, { view, releases, audience = EVERYONE, ...asking }: PromotionInput): Promise<PromotionOutcome> {
  return changeView(change, { ...asking, request: { view, act: 'demote', audience, source: { releases } } })
}

/**
 * Makes one change of one view, all of it or nothing. Throws `not_found` for a view, revision or release, `not_member`,
 * `stale_revision`, `idempotency_mismatch`, `too_large`, and what {@link expectAllowed} does.
 */
export async function changeView(change: Change, input: Asking & { readonly request: ChangeRequest }): Promise<PromotionOutcome> {
  return once(change, input.idempotency, async () => {
    const view = await getView(change.trx, input.request.view)
    if (input.expectRevision !== undefined && input.expectRevision !== view.revision) {
      throw new DepotError('stale_revision', `${view.name} is at revision ${view.revision}, not ${input.expectRevision}`)
    }
    const { resolved, considered } = await work(change, view, input.request, { asker: input.asker })
    return commit(change, view, { resolved, considered }, input)
  })
}

/** Works out what a request would do to a view now. Throws as {@link changeView}, but for what rules say. */
export async function work(
  change: Change,
  view: View,
  request: ChangeRequest,
  who: { asker: Asker | undefined; proposer?: string; isThorough?: boolean },
): Promise<{ resolved: Resolved; considered: Considered }> {
  expectChangeable(view, request)
  const resolved = await resolve(change.trx, view, request)
  await expectChannels(change, view, resolved.wanted)
  const considered = await consider(change.trx, view, resolved.wanted, { act: request.act, at: change.at, audience: request.audience, conflicts: resolved.conflicts, ...who })
  return { resolved, considered }
}

/** Makes what was worked out, if the rules of the view let it pass or are set aside. */
export async function commit(
  change: Change,
  view: View,
  { resolved, considered }: { resolved: Resolved; considered: Considered },
  how: Asking & { readonly proposer?: string },
): Promise<PromotionOutcome> {
  const { asker, override, reason, proposer } = how
  const overridden = expectAllowed(view, considered.refusals, { asker, override }).map(({ detail }) => detail)
  const { source, of, pinned } = resolved
  return makeRevision(change, view, considered.effect, {
    act: pinned.act,
    ...(reason !== undefined && { reason }),
    ...(of !== undefined && { of }),
    ...(source !== undefined && { source }),
    ...(proposer !== undefined && { proposer }),
    ...(override !== undefined && overridden.length > 0 && { override: { reason: override.reason, refusals: overridden } }),
  })
}

/** A change that follows from another one, such as an upload. It is judged by the view's rules, and made whole or not at all. */
export async function alter(change: Change, view: View, wanted: Wanted, why: Pick<Why, 'act' | 'cause'> & { asker?: Asker; audience?: Audience }): Promise<PromotionOutcome> {
  const { asker, audience = EVERYONE, ...cause } = why
  expectNoPreview(view)
  const context: Context = { act: why.act, at: change.at, asker, audience }
  const { effect, refusals } = await consider(change.trx, view, wanted, context)
  expectAllowed(view, refusals, { asker })
  return makeRevision(change, view, effect, cause)
}

function expectChangeable(view: View, request: ChangeRequest): void {
  expectNoPreview(view)
  if (view.name === UNSTABLE && (request.act !== 'promote' || request.isExact === true)) {
    throw new DepotError('refused', `nothing is demoted from ${UNSTABLE}: it holds every release`)
  }
}

function expectNoPreview(view: View): void {
  if (view.preview !== undefined) throw new DepotError('refused', `${view.name} is a preview: it changes with its view and its plan`)
}

/** A view that only Habitat clients made is open to an origin once that origin has made it too. */
async function expectChannels(change: Change, view: View, { joining }: Wanted): Promise<void> {
  if (view.maker !== 'client') return
  const origins = new Map<number, ViewRelease>(joining.map(({ release }) => [release.originId, release]))
  for (const [originId, release] of origins) {
    if (await channelExists(change.trx, originId, view.id)) continue
    throw new DepotError('not_found', `the origin ${release.ident.origin} has no channel ${view.name}`)
  }
}
