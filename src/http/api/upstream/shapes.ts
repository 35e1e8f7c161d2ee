import { z } from 'zod'
import { DEPENDENCY, NOW, TARGET, YESTERDAY } from '../conventions/examples.ts'
import { Ident, Target, Time, named } from '../conventions/shapes.ts'

/** A plan of a mirror lists so many releases. */
export const MAX_PLANNED = 1_000

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

export const MirrorBody = named(
  'MirrorRequest',
  z.strictObject({
    dry_run: z.boolean().optional().describe('whether to show only what would be fetched'),
  }),
  { dry_run: true },
)

const MirrorStatus = z.object({
  running: z.boolean(),
  begun_at: Time.nullable(),
  ended_at: Time.nullable(),
  planned: z.int().describe('how many releases were not here when the run began'),
  fetched: z.int(),
  bytes: z.int().describe('the bytes of the fetched releases'),
  failed: z.int(),
  fault: z
    .string()
    .nullable()
    .describe('why the run ended early, which channel was not refreshed, or why the first release failed'),
  succeeded_at: Time.nullable().describe('when the last run without a fault ended'),
})

export const Mirror = named(
  'Mirror',
  z.object({
    status: MirrorStatus.describe('the run in progress, or the last one'),
    plan: z
      .object({
        releases: z
          .array(z.object({ ident: Ident, target: Target, size_bytes: z.int().nullable() }))
          .describe(`the first ${MAX_PLANNED} releases; the size is null if upstream does not say it`),
        count: z.int().describe('how many releases would be fetched'),
        bytes: z.int().describe('the sum of the known sizes'),
        unknown_sizes: z.int().describe('how many sizes are not known'),
        absent_views: z
          .array(z.string())
          .describe('the views in DEPOT_MIRROR_VIEWS that the depot does not have'),
      })
      .nullable()
      .describe('what a run would fetch now; only for a dry run'),
  }),
  {
    status: {
      running: false,
      begun_at: YESTERDAY,
      ended_at: YESTERDAY,
      planned: 12,
      fetched: 12,
      bytes: 48_000_000,
      failed: 0,
      fault: null,
      succeeded_at: YESTERDAY,
    },
    plan: {
      releases: [{ ident: DEPENDENCY, target: TARGET, size_bytes: 1_048_576 }],
      count: 1,
      bytes: 1_048_576,
      unknown_sizes: 0,
      absent_views: [],
    },
  },
)

export const UpstreamChannel = named(
  'UpstreamChannel',
  z.object({
    origin: z.string(),
    channel: z.string(),
    adopted: z
      .boolean()
      .describe('whether the origin comes from upstream; otherwise its channels are not refreshed'),
    refreshing: z.boolean().describe('whether a refresh is in progress or waits for its turn'),
    refreshed_at: Time.nullable().describe('when the channel last was what upstream had'),
    attempted_at: Time.nullable().describe('when the last refresh ended'),
    fault: z.string().nullable().describe('why the channel is not, or not completely, what upstream has'),
    held_removals: z
      .int()
      .describe('how many releases the last refresh would have removed, if it was held because of them'),
    releases: z.int().describe('how many releases of the origin the channel has'),
    fetched: z.int().describe('how many of these have been fetched; the others come when somebody asks'),
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
        adopted: true,
        refreshing: false,
        refreshed_at: YESTERDAY,
        attempted_at: NOW,
        fault: null,
        held_removals: 0,
        releases: 2_200,
        fetched: 310,
      },
    ],
  },
)
