import { z } from 'zod'
import type { HabitatEvent } from '../../../events/event-store.ts'
import { Ident, wireIdent, wireTime } from '../conventions/shapes.ts'
import type { Json } from '../conventions/shapes.ts'

export const Channel = z.object({
  id: z.string(),
  owner_id: z.string(),
  name: z.string(),
  origin: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
})

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

export const ChannelName = z.object({ name: z.string() })

/** The latest release of every package in a channel, for one target. */
export const ChannelLatest = z.object({ channel: z.string(), target: z.string(), data: z.array(Ident) })

/** A promotion or demotion of one release (habitat-today.md 3.4). */
export const Event = z.object({
  operation: z.enum(['Promote', 'Demote']),
  created_at: z.string(),
  origin: z.string(),
  channel: z.string(),
  package_ident: Ident,
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
