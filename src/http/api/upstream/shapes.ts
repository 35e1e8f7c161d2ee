import { z } from 'zod'
import { NOW, YESTERDAY } from '../conventions/examples.ts'
import { Time, named } from '../conventions/shapes.ts'

export const RefreshBody = named(
  'Refresh',
  z.strictObject({
    channels: z
      .array(z.string())
      .optional()
      .describe('channels of upstream origins, such as core/stable; by default all that the settings name'),
    accept_removals: z
      .boolean()
      .optional()
      .describe('whether to apply a refresh that is held because it removes many releases; needs channels'),
  }),
  { channels: ['core/stable'] },
)

export const UpstreamChannel = named(
  'UpstreamChannel',
  z.object({
    origin: z.string(),
    channel: z.string(),
    refreshing: z.boolean().describe('whether a refresh is in progress or waits for its turn'),
    refreshed_at: Time.nullable().describe('when the channel last was what upstream had'),
    attempted_at: Time.nullable().describe('when the last refresh ended'),
    fault: z.string().nullable().describe('why the channel is not, or not completely, what upstream has'),
    held_removals: z
      .int()
      .describe('how many releases the last refresh would have removed, if it was held because of them'),
  }),
)

export const Upstream = named(
  'Upstream',
  z.object({
    url: z.string().nullable().describe('the upstream depot; null if there is none'),
    origins: z.array(z.string()).describe('the origins that come from upstream'),
    channels: z.array(UpstreamChannel),
  }),
  {
    url: 'https://bldr.habitat.sh',
    origins: ['core'],
    channels: [
      {
        origin: 'core',
        channel: 'stable',
        refreshing: false,
        refreshed_at: YESTERDAY,
        attempted_at: NOW,
        fault: null,
        held_removals: 0,
      },
    ],
  },
)
