import { DepotError } from '../../errors.ts'
import { getOrigin } from '../../origins/origin-store.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { ensureChannel } from './channel.ts'
import { listMembersOfOrigin, filterMembers } from '../../revisions/member-store.ts'
import { briefly } from './make-revision.ts'
import type { BriefOutcome } from './make-revision.ts'
import { changeMembers } from './promote.ts'
import { skips } from '../../views/rule.ts'
import type { ViewRule } from '../../views/rule.ts'
import { UNSTABLE } from '../../views/view.ts'
import type { View, ViewRelease } from '../../views/view.ts'
import { findView } from '../../revisions/view-store.ts'

/** The input of Builder's commands for all packages of a channel. */
export interface BulkInput {
  readonly origin: string
  /** The view whose members are promoted or demoted. A view that does not exist counts as empty. */
  readonly source: string
  /** The view to change. */
  readonly view: string
  /** The owner of the origin's channel of the changed view, if the channel is created. */
  readonly ownerId: number
}

/**
 * Promotes all releases of an origin in one view to another view, in one revision (habitat-today.md 6,
 * Channels). Leaves out releases that `latest` of the source skips because they are yanked. Creates the view
 * if it does not exist. Under the rule `promoted`, `latest` then answers what it answers in the source.
 * Throws `invalid_request` if the views are the same or the changed one is `unstable`, `not_found` for the
 * origin, and the errors of {@link changeMembers}.
 */
export async function promoteAll(context: CommandContext, input: BulkInput): Promise<BriefOutcome> {
  expectBulkAllowed(input, [input.view])
  const { changing, rule, members } = await readSourceAndView(context, input)
  const releases = members.filter((member) => !skips(rule, member))
  if (releases.length === 0) return unchanged(changing)
  const outcome = await changeMembers(
    context,
    changing,
    { joining: releases.map((release) => ({ release })), leaving: [] },
    { act: 'promote', cause: 'bulk', by: context.caller },
  )
  return briefly(outcome)
}

/**
 * Demotes all releases of an origin in one view from another view. Like {@link promoteAll}, creates the other
 * view if it does not exist. Throws like {@link promoteAll}, and `invalid_request` also if the source is
 * `unstable`.
 */
export async function demoteAll(context: CommandContext, input: BulkInput): Promise<BriefOutcome> {
  expectBulkAllowed(input, [input.view, input.source])
  const { changing, members } = await readSourceAndView(context, input)
  const leaving = await context.read(`members of ${changing.name}`, { views: [changing.name] }, (db) =>
    filterMembers(db, changing, members),
  )
  if (leaving.length === 0) return unchanged(changing)
  const outcome = await changeMembers(
    context,
    changing,
    { joining: [], leaving },
    { act: 'demote', cause: 'bulk', by: context.caller },
  )
  return briefly(outcome)
}

/** Checks that the views differ, and that none of `changeable` is `unstable`. */
function expectBulkAllowed({ source, view }: BulkInput, changeable: readonly string[]): void {
  if (source === view) throw new DepotError('invalid_request', `${source} cannot be moved into itself`)
  if (changeable.includes(UNSTABLE))
    throw new DepotError(
      'invalid_request',
      `${UNSTABLE} holds every release: releases cannot be moved from or to it in bulk`,
    )
}

/**
 * Returns the view to change, the rule of the source, and the origin's releases in the source. Creates the
 * view to change if it does not exist.
 */
async function readSourceAndView(
  context: CommandContext,
  { origin, source, view, ownerId }: BulkInput,
): Promise<{ changing: View; rule: ViewRule; members: ViewRelease[] }> {
  const { id } = await getOrigin(context.trx, origin)
  const from = await findView(context.trx, source)
  const members =
    from === undefined
      ? []
      : await context.read(`members of ${source}`, { views: [] }, (db) => listMembersOfOrigin(db, from, id))
  const changing = await ensureChannel(context, { origin, name: view, ownerId })
  return { changing, rule: from?.rule ?? 'highest', members }
}

function unchanged({ name, revision }: View): BriefOutcome {
  return { view: name, revision, isChanged: false }
}
