import { z } from 'zod'
import { NOW, TARGET } from '../conventions/examples.ts'
import { Package, Revision, Target, Time, ViewName, named } from '../conventions/shapes.ts'

export const PollersQuery = z.strictObject({
  view: z.string().optional().describe('only the pollers of this view'),
})

const Line = z.object({
  view: ViewName,
  package: Package,
  target: Target,
  pollers: z.int().min(0).describe('an estimate of the number of different pollers lately'),
  revision: Revision.nullable().describe(
    'the revision that moved latest last; null if there is no latest now',
  ),
  up_to_date: z
    .int()
    .min(0)
    .nullable()
    .describe(
      'an estimate of the number of different pollers that got an answer from this revision; null if there is no latest now',
    ),
  uptake: z
    .array(
      z.object({
        at: Time,
        pollers: z.int().min(1).describe('how many of up_to_date had got the answer by then'),
      }),
    )
    .describe('how up_to_date grew: at most 60 points, the oldest first'),
})

const Counted = {
  polls: z.int().min(1).describe('the number of polls'),
  last_at: Time,
}

export const PollersAnswer = named(
  'Pollers',
  z.object({
    counting: z
      .boolean()
      .describe('whether the depot counts pollers (DEPOT_COUNT_POLLERS); otherwise lines is empty'),
    since: Time.describe(
      'when the depot began to count; an uptake that began before then lacks its beginning',
    ),
    window_seconds: z.int().describe('lately means within the last one to two windows of this length'),
    lines: z.array(Line).describe('the packages in views for which somebody polled lately'),
    incomplete: z.boolean().describe('whether there are too many packages to count all of them'),
    absent_views: z
      .array(z.object({ view: z.string(), ...Counted }))
      .describe('views that do not exist, but for which somebody polled in the last day'),
    absent_packages: z
      .array(z.object({ view: z.string(), package: z.string(), ...Counted }))
      .describe(
        'packages for which somebody polled in the last day, and which were not in the view or not visible to the poller',
      ),
    refused_addresses: z
      .array(z.object({ address: z.string(), ...Counted }))
      .describe('addresses whose polls were refused with 401 in the last day'),
  }),
  {
    counting: true,
    since: NOW,
    window_seconds: 300,
    lines: [
      {
        view: 'delivered',
        package: 'acme/app',
        target: TARGET,
        pollers: 120,
        revision: 12,
        up_to_date: 97,
        uptake: [{ at: NOW, pollers: 97 }],
      },
    ],
    incomplete: false,
    absent_views: [{ view: 'delivred', polls: 60, last_at: NOW }],
    absent_packages: [],
    refused_addresses: [{ address: '10.0.0.7', polls: 60, last_at: NOW }],
  },
)
