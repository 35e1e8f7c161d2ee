import { z } from 'zod'
import { Ident, Next, Package, PageQuery, Revision, Target, Time, ViewName, named } from './shapes.ts'

// The shapes of what happened between two states of views, and of who was where and when.

const moment = 'a revision, a revision_id, or a time (RFC 3339)'

export const DiffQuery = PageQuery.extend({
  at: z
    .string()
    .optional()
    .describe(`${moment}: what the view was then is where the differences begin; as it is now, when absent`),
  with: z.string().optional().describe('the view to compare with; the same one, when absent'),
  with_at: z.string().optional().describe(`${moment} of the view to compare with; as it is now, when absent`),
  origin: z.string().optional(),
  name: z.string().optional(),
})

export const HoldersQuery = PageQuery.extend({ target: Target.optional() })
export const StaysQuery = HoldersQuery

const Checksum = z.string().describe('BLAKE2b-256 of the file')
const State = z.object({
  view: ViewName,
  revision: Revision,
  at: Time.nullable().describe('when that revision was made'),
})
const Difference = named(
  'Difference',
  z.object({
    package: Package,
    target: Target,
    from: Ident.nullable(),
    to: Ident.nullable(),
    from_checksum: Checksum.nullable(),
    to_checksum: Checksum.nullable(),
    change: z
      .enum(['added', 'removed', 'moved', 'downgraded', 'republished'])
      .describe(
        'moved: up; downgraded: down, which a supervisor follows only under --update-condition track-channel; republished: the ident was deleted and published again with other bytes, which a supervisor that has it does not notice',
      ),
  }),
)
export const Diff = named(
  'Diff',
  z.object({ from: State, to: State, differences: z.array(Difference), next: Next }),
)

const Held = {
  from_revision: Revision,
  since: Time,
  to_revision: Revision.nullable().describe('the first one at which this was over; null while it lasts'),
  until: Time.nullable(),
}
export const Holders = named(
  'Holders',
  z.object({
    view: ViewName,
    package: Package,
    target: Target,
    holders: z.array(z.object({ ident: Ident, ...Held })).describe('newest first'),
    next: Next,
  }),
)
export const Stays = named(
  'Stays',
  z.object({
    ident: Ident,
    target: Target,
    views: z
      .array(z.object({ view: ViewName, ...Held }))
      .describe(
        'where it is, then where it was: views in the order they were made, of each the oldest first. A release that is promoted anew begins anew',
      ),
    next: Next,
  }),
)
