import type { z } from 'zod'
import { listRefreshed } from '../../../channels/refresh-store.ts'
import { findOrigin } from '../../../origins/origin-store.ts'
import { countMembersOf } from '../../../revisions/mirrored-store.ts'
import { findView } from '../../../revisions/view-store.ts'
import { adoptedChannels, formatChannel, upstreamChannels } from '../../../upstream/channels.ts'
import type { UpstreamChannel } from '../../../upstream/channels.ts'
import type { RouteContext } from '../../requests/request.ts'
import { wireTime } from '../conventions/wire.ts'
import type { Upstream } from './shapes.ts'

/** Describes the upstream depot, and how up to date each of its channels is here. */
export async function describeUpstream({
  depot,
  refresher,
}: Pick<RouteContext, 'depot' | 'refresher'>): Promise<z.infer<typeof Upstream>> {
  const { upstream } = depot.config
  const known = new Map((await listRefreshed(depot.db)).map((row) => [formatChannel(row), row]))
  const adopted = new Set((await adoptedChannels(depot)).map(formatChannel))
  const refreshing = new Set((await refresher?.refreshing())?.map(formatChannel))
  return {
    url: upstream?.url ?? null,
    origins: [...(upstream?.origins ?? [])],
    channels: await Promise.all(
      upstreamChannels(depot).map(async (channel) => {
        const isAdopted = adopted.has(formatChannel(channel))
        const row = isAdopted ? known.get(formatChannel(channel)) : undefined
        return {
          ...channel,
          adopted: isAdopted,
          refreshing: refreshing.has(formatChannel(channel)),
          refreshed_at: row?.refreshedAt === undefined ? null : wireTime(row.refreshedAt),
          attempted_at: row === undefined ? null : wireTime(row.attemptedAt),
          fault: row?.fault ?? null,
          held_removals: row?.removals ?? 0,
          ...(await countReleases(depot, channel)),
        }
      }),
    ),
  }
}

async function countReleases({ db }: RouteContext['depot'], { origin, channel }: UpstreamChannel) {
  const [view, found] = [await findView(db, channel), await findOrigin(db, origin)]
  if (view === undefined || found === undefined) return { releases: 0, fetched: 0 }
  const place = { viewId: view.id, originId: found.id }
  const { members, announced } = await countMembersOf(db, place)
  return { releases: members, fetched: members - announced }
}
