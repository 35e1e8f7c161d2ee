import { z } from 'zod'
import type { HabitatEvent } from '../../../events/event-store.ts'
import { named } from '../../requests/described.ts'
import { EXAMPLE_IDENT, EXAMPLE_TIME, Ident, pageOf, wireIdent, wireTime } from '../conventions/shapes.ts'
import type { Json } from '../conventions/shapes.ts'

export const Channel = named(
  'HabitatChannel',
  z.object({
    id: z.string(),
    owner_id: z.string(),
    name: z.string(),
    origin: z.string(),
    created_at: z.string(),
    updated_at: z.string(),
  }),
  {
    id: '5',
    owner_id: '1',
    name: 'beta',
    origin: 'acme',
    created_at: EXAMPLE_TIME,
    updated_at: EXAMPLE_TIME,
  },
)

export function wireChannel(
  channel: { id: number; ownerId: number; createdAt: number; updatedAt: number },
  origin: string,
  name: string,
): Json<typeof Channel> {
  return {
    id: String(channel.id),
    owner_id: String(channel.ownerId),
    name,
    origin,
    created_at: wireTime(channel.createdAt),
    updated_at: wireTime(channel.updatedAt),
  }
}

const ChannelName = z.object({ name: z.string() })
export const ChannelNames = named('HabitatChannelNames', z.array(ChannelName), [
  { name: 'stable' },
  { name: 'unstable' },
])

/** The latest release of every package in a channel, for one target. */
export const ChannelLatest = named(
  'HabitatChannelLatest',
  z.object({ channel: z.string(), target: z.string(), data: z.array(Ident) }),
  { channel: 'stable', target: 'x86_64-linux', data: [EXAMPLE_IDENT] },
)

export const IdentPage = pageOf('HabitatIdentPage', Ident, EXAMPLE_IDENT)

/** A promotion or demotion of one release (habitat-today.md 3.4). */
const Event = z.object({
  operation: z.enum(['Promote', 'Demote']),
  created_at: z.string(),
  origin: z.string(),
  channel: z.string(),
  package_ident: Ident,
})
export const EventPage = pageOf('HabitatEventPage', Event, {
  operation: 'Promote',
  created_at: EXAMPLE_TIME,
  origin: 'acme',
  channel: 'acceptance',
  package_ident: EXAMPLE_IDENT,
})

export function wireEvent({ act, at, view, ident }: HabitatEvent): Json<typeof Event> {
  return {
    operation: act === 'promote' ? 'Promote' : 'Demote',
    created_at: wireTime(at),
    origin: ident.origin,
    channel: view,
    package_ident: wireIdent(ident),
  }
}
