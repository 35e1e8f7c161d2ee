import { z } from 'zod'
import {
  Ident,
  Next,
  Package,
  PageQuery,
  Revision,
  Target,
  Time,
  ViewName,
  named,
} from '../conventions/shapes.ts'

// Shapes of differences between two states of views, and of which release was in which view when.

const moment = 'a revision, a revision_id, or a time (RFC 3339)'

export const DiffQuery = PageQuery.extend({
  at: z.string().optional().describe(`${moment}: the state of the view to compare from; default: now`),
  with: z.string().optional().describe('the view to compare with; default: the same view'),
  with_at: z.string().optional().describe(`${moment}: the state of the view to compare with; default: now`),
  origin: z.string().optional(),
  name: z.string().optional(),
})

export const HoldersQuery = PageQuery.extend({ target: Target.optional() })
export const MembershipsQuery = HoldersQuery

const Checksum = z.string().describe('BLAKE2b-256 of the file')
const State = z.object({
  view: ViewName,
  revision: Revision,
  at: Time.nullable().describe('when the revision was made'),
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
        'moved: to a higher release; downgraded: to a lower one, which supervisors follow only with --update-condition track-channel; republished: the ident was deleted and published again with other bytes, which supervisors that have it do not notice',
      ),
  }),
)
export const Diff = named(
  'Diff',
  z.object({ from: State, to: State, differences: z.array(Difference), next: Next }),
)

const Interval = {
  from_revision: Revision,
  since: Time,
  to_revision: Revision.nullable().describe('the revision that ended it; null while it lasts'),
  until: Time.nullable(),
}
export const Holders = named(
  'Holders',
  z.object({
    view: ViewName,
    package: Package,
    target: Target,
    holders: z.array(z.object({ ident: Ident, ...Interval })).describe('newest first'),
    next: Next,
  }),
)
export const Memberships = named(
  'Memberships',
  z.object({
    ident: Ident,
    target: Target,
    views: z
      .array(z.object({ view: ViewName, ...Interval }))
      .describe(
        'current memberships, then past ones, each ordered by the creation of the view and then oldest first. A repeated promotion starts a new membership',
      ),
    next: Next,
  }),
)
