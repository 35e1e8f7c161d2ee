import { UNRESTRICTED_AUDIENCE } from '../../access/access.ts'
import { storeRefreshed } from '../../channels/refresh-store.ts'
import { setState } from '../../database/state-store.ts'
import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import type { ReleaseName } from '../../package/ident.ts'
import { findReleases } from '../../revisions/dependency-store.ts'
import { filterMembers } from '../../revisions/member-store.ts'
import { UNSTABLE } from '../../views/view.ts'
import { getUpstreamOrigin } from '../origins/adopt-origin.ts'
import { ensureChannel } from '../views/channel.ts'
import { changeMembers } from '../views/promote.ts'

/**
 * Makes a channel of an upstream origin what upstream has, in one revision. Names of releases that the depot
 * lacks are ignored. The rules of the view and freezes apply, with the rights of the operator. Throws
 * `not_found` for the origin, `refused` if it is not an upstream origin, `refused` for `unstable`, whose
 * members are the releases that are here, and the errors of {@link ensureChannel} and {@link changeMembers}.
 */
export async function refreshChannel(
  context: CommandContext,
  input: {
    origin: string
    channel: string
    joining: readonly ReleaseName[]
    leaving: readonly ReleaseName[]
    reason: string
  },
): Promise<{ revision: number; isChanged: boolean }> {
  const { trx } = context
  const { channel, reason } = input
  if (channel === UNSTABLE)
    throw new DepotError('refused', `${UNSTABLE} is not refreshed: it holds the releases that are here`)
  const origin = await getUpstreamOrigin(trx, input.origin)
  const view = await ensureChannel(context, { origin: origin.name, name: channel, ownerId: origin.ownerId })
  const { joining, leaving } = await context.read(
    `releases of ${origin.name} in ${channel}`,
    { views: [view.name] },
    async (db) => {
      const find = async (names: readonly ReleaseName[]) => [
        ...(await findReleases(db, names, UNRESTRICTED_AUDIENCE)).values(),
      ]
      return {
        joining: await find(input.joining),
        leaving: await filterMembers(db, view, await find(input.leaving)),
      }
    },
  )
  const { revision, isChanged } = await changeMembers(
    context,
    view,
    {
      joining: joining.toSorted((a, b) => (a.orderKey < b.orderKey ? -1 : 1)).map((release) => ({ release })),
      leaving,
    },
    { act: 'promote', cause: 'refresh', reason, by: 'operator' },
  )
  return { revision, isChanged }
}

/** Records what came of a run of the mirror, as JSON. */
export async function recordMirror({ trx }: CommandContext, { status }: { status: string }): Promise<void> {
  await setState(trx, 'mirrored', status)
}

/** Records the outcome of a refresh. */
export async function recordRefresh(
  { trx, clock }: CommandContext,
  input: {
    origin: string
    channel: string
    /** Whether the channel is what upstream has, except for releases that cannot be announced. */
    isRefreshed?: boolean
    /** Why it is not, or not completely, as a sentence. */
    fault?: string
    /** How many members a held refresh would remove. */
    removals?: number
  },
): Promise<void> {
  await storeRefreshed(trx, { ...input, at: clock.now })
}
