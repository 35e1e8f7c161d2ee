import { DepotError } from '../../errors.ts'
import { getOrigin } from '../../origins/origin-store.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { ensureChannel } from './channel.ts'
import { listMembersOfOrigin, filterMembers } from '../../revisions/member-store.ts'
import { changeMembers } from './promote.ts'
import { UNSTABLE } from '../../views/view.ts'
import type { View, ViewRelease } from '../../views/view.ts'
import { findView } from '../../revisions/view-store.ts'

export interface BulkInput {
  readonly origin: string
  /** The view whose members are promoted or demoted. */
  readonly source: string
  readonly target: string
  /** The owner of the channel `target`, if it is created. */
  readonly ownerId: number
}

export interface BulkOutcome {
  readonly view: string
  readonly revision: number
  readonly isChanged: boolean
}

/**
 * Promotes all releases of an origin in one view, for every target, to another view, which is created if absent (habitat-today.md 6,
 * Channels). Makes one promotion, in an order that keeps `latest` of the source under the rule `promoted`. An absent source counts as
 * empty. Throws `invalid_request` for the views and `not_found` for the origin.
 */
export async function promoteAll(context: CommandContext, input: BulkInput): Promise<BulkOutcome> {
  expectBulkAllowed(input, input.target === UNSTABLE)
  const { target, releases } = await readSourceAndTarget(context, input)
  if (releases.length === 0) return unchanged(target)
  const { view, revision, isChanged } = await changeMembers(
    context,
    target,
    { joining: releases.map((release) => ({ release })), leaving: [] },
    { act: 'promote', cause: 'bulk', by: context.caller },
  )
  return { view, revision, isChanged }
}

/** Demotes all releases of an origin in one view from another view. Throws like {@link promoteAll}. */
export async function demoteAll(context: CommandContext, input: BulkInput): Promise<BulkOutcome> {
  expectBulkAllowed(input, input.target === UNSTABLE || input.source === UNSTABLE)
  const { target, releases } = await readSourceAndTarget(context, input)
  const members = await context.read(`members of ${target.name}`, { views: [target.name] }, (db) =>
    filterMembers(db, target, releases),
  )
  if (members.length === 0) return unchanged(target)
  const { view, revision, isChanged } = await changeMembers(
    context,
    target,
    { joining: [], leaving: members },
    { act: 'demote', cause: 'bulk', by: context.caller },
  )
  return { view, revision, isChanged }
}

function expectBulkAllowed({ source, target }: BulkInput, isUnstable: boolean): void {
  if (source === target) throw new DepotError('invalid_request', `${source} cannot be moved into itself`)
  if (isUnstable)
    throw new DepotError(
      'invalid_request',
      `${UNSTABLE} holds every release: releases cannot be moved from or to it in bulk`,
    )
}

/** Reads the source's releases, and finds or creates the target. */
async function readSourceAndTarget(
  context: CommandContext,
  { origin, source, target, ownerId }: BulkInput,
): Promise<{ target: View; releases: ViewRelease[] }> {
  const { id } = await getOrigin(context.trx, origin)
  const from = await findView(context.trx, source)
  const releases =
    from === undefined
      ? []
      : await context.read(`members of ${source}`, { views: [] }, (db) => listMembersOfOrigin(db, from, id))
  return { target: await ensureChannel(context, { origin, name: target, ownerId }), releases }
}

function unchanged({ name, revision }: View): BulkOutcome {
  return { view: name, revision, isChanged: false }
}
