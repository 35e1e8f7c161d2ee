import { z } from 'zod'
import { VIEW_RULES } from '../../../views/rule.ts'
import { ACTS } from '../../../views/view.ts'
import {
  CHECKSUM,
  EARLIER_CHECKSUM,
  EARLIER_IDENT,
  IDENT,
  NOW,
  TARGET,
  YESTERDAY,
} from '../conventions/examples.ts'
import {
  AtRevision,
  Checksum,
  Ident,
  MOMENT_FORMS,
  Next,
  Package,
  PageQuery,
  Revision,
  Target,
  Time,
  ViewName,
  named,
} from '../conventions/shapes.ts'
import { PointerMove, Source } from '../promotions/shapes.ts'

// Shapes of the history of views: revisions, differences between two states, and the latest releases over
// time.

export const RevisionPath = z.object({
  view: z.string(),
  revision: z.string().regex(/^\d{1,15}$/, 'must be a number'),
})

export const DiffQuery = PageQuery.extend({
  at: z.string().optional().describe(`${MOMENT_FORMS}: the state of the view to compare from; default: now`),
  with: z.string().optional().describe('the view to compare with; default: the same view'),
  with_at: z
    .string()
    .optional()
    .describe(`${MOMENT_FORMS}: the state of the view to compare with; default: now`),
  origin: z.string().optional(),
  name: z.string().optional(),
})

export const HoldersQuery = PageQuery.extend({ target: Target.optional() })

const PackageFilter = z.object({ origin: z.string().nullable(), name: z.string().nullable() })
const ReleaseName = z.object({ ident: Ident, target: Target })

const revision = z
  .object({
    revision: Revision,
    at: Time,
    act: z.enum(ACTS),
    actor: z.string().nullable().describe('the account; null for changes by the depot itself'),
    client: z.string().describe('the User-Agent of the client'),
    cause: z
      .enum(['upload', 'channel-removed', 'release-deleted', 'retention', 'bulk', 'preview', 'refresh'])
      .nullable(),
    reason: z.string().nullable(),
    of: Revision.nullable().describe('the revision that a rollback restored or a revert undid'),
    only: PackageFilter.nullable().describe('the packages to which a rollback or revert was restricted'),
    rule: z.enum(VIEW_RULES).nullable().describe('the new rule of the view, if this revision changed it'),
    source: Source.nullable().describe('the source of the releases'),
    proposer: z.string().nullable().describe('the author of the proposal that the actor approved'),
    override: z
      .object({ reason: z.string(), refusals: z.array(z.string()) })
      .nullable()
      .describe('the overridden refusals, and the reason'),
    joined: z.array(ReleaseName),
    left: z.array(ReleaseName),
    pointers: z.array(PointerMove),
  })
  .describe(
    'one change of a view. Releases that the caller may not see are omitted, and then the reason is, too',
  )

const EXAMPLE: z.input<typeof revision> = {
  revision: 12,
  at: NOW,
  act: 'promote',
  actor: 'ci',
  client: 'curl/8.5.0',
  cause: null,
  reason: 'build 4711',
  of: null,
  only: null,
  rule: null,
  source: null,
  proposer: null,
  override: null,
  joined: [{ ident: IDENT, target: TARGET }],
  left: [],
  pointers: [{ package: 'acme/app', target: TARGET, from: EARLIER_IDENT, to: IDENT }],
}

export const RevisionShape = named('Revision', revision, EXAMPLE)

export const History = named(
  'History',
  z.object({ view: ViewName, revisions: z.array(RevisionShape), next: Next }),
  {
    view: 'acceptance',
    revisions: [EXAMPLE],
    next: '/api/v1/views/acceptance/history?cursor=WyJnNWx4dzZzNCIsMTJd',
  },
)

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
  z.object({
    from: z.object(AtRevision),
    to: z.object(AtRevision),
    differences: z.array(Difference),
    next: Next,
  }),
  {
    from: { view: 'acceptance', revision: 11, at: YESTERDAY },
    to: { view: 'acceptance', revision: 12, at: NOW },
    differences: [
      {
        package: 'acme/app',
        target: TARGET,
        from: EARLIER_IDENT,
        to: IDENT,
        from_checksum: EARLIER_CHECKSUM,
        to_checksum: CHECKSUM,
        change: 'moved',
      },
    ],
    next: null,
  },
)

/** A period that began at a revision. It has ended at another revision, or still lasts. */
export const Interval = z.object({
  from_revision: Revision,
  since: Time,
  to_revision: Revision.nullable().describe('the revision that ended it; null while it lasts'),
  until: Time.nullable(),
})

export const Holders = named(
  'Holders',
  z.object({
    view: ViewName,
    package: Package,
    target: Target,
    holders: z.array(z.object({ ident: Ident, ...Interval.shape })).describe('newest first'),
    next: Next,
  }),
  {
    view: 'acceptance',
    package: 'acme/app',
    target: TARGET,
    holders: [
      { ident: IDENT, from_revision: 12, since: NOW, to_revision: null, until: null },
      { ident: EARLIER_IDENT, from_revision: 7, since: YESTERDAY, to_revision: 12, until: NOW },
    ],
    next: null,
  },
)
