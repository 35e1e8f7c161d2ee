import type { Depot } from '../depot/depot.ts'
import { findOrigin } from '../origins/origin-store.ts'

/** A channel of an upstream origin. */
export interface UpstreamChannel {
  readonly origin: string
  readonly channel: string
}

/** Returns the channels that the settings name, in their order. */
export function upstreamChannels({ config: { upstream } }: Pick<Depot, 'config'>): UpstreamChannel[] {
  return (upstream?.origins ?? []).flatMap((origin) =>
    (upstream?.channels ?? []).map((channel) => ({ origin, channel })),
  )
}

/** Returns the channels that the settings name and whose origins come from upstream. */
export async function adoptedChannels(depot: Pick<Depot, 'config' | 'db'>): Promise<UpstreamChannel[]> {
  const channels = upstreamChannels(depot)
  const adopted = new Set<string>()
  for (const name of new Set(channels.map(({ origin }) => origin)))
    if ((await findOrigin(depot.db, name))?.isUpstream === true) adopted.add(name)
  return channels.filter(({ origin }) => adopted.has(origin))
}

/** Says that an origin is in the settings, but does not come from upstream, and what to do. */
export function notAdopted(origin: string): string {
  return `${origin} is not an upstream origin of this depot: adopt it (hart-depot upstream adopt ${origin}), or remove it from DEPOT_UPSTREAM_ORIGINS`
}

/** Formats a channel of an origin: `core/stable`. */
export function formatChannel({ origin, channel }: UpstreamChannel): string {
  return `${origin}/${channel}`
}
