import { z } from 'zod'
import { VIEW_RULES } from '../../../views/rule.ts'
import { ACTS } from '../../../views/view.ts'
import { CHECKSUM, DEPENDENCY, IDENT, NOW, PLAN, TARGET, YESTERDAY } from '../conventions/examples.ts'
import {
  Checksum,
  FormatQuery,
  Ident,
  Marks,
  Next,
  Notice,
  Since,
  Target,
  TargetQuery,
  Time,
  ViewName,
  Visibility,
  named,
} from '../conventions/shapes.ts'
import { Interval } from '../history/shapes.ts'
import { ChangeOptions, PromotionAnswer, Reason } from '../promotions/shapes.ts'

// Shapes of releases.

export const ReleaseQuery = TargetQuery.extend(FormatQuery.shape)

export const UploadQuery = FormatQuery.extend({
  checksum: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, 'must be 64 hexadecimal digits')
    .optional()
    .describe('the BLAKE2b-256 of the file, which is then compared'),
  origin: z
    .string()
    .optional()
    .describe('the origin of the package, if known: its quota is then checked before the file is read'),
  view: z.string().optional().describe('a view into which the release is promoted, too'),
})

/** A file in a request or an answer. Its bytes are never parsed here. */
export const PackageFile = named(
  'PackageFile',
  z.unknown().meta({ type: 'string', format: 'binary', description: 'the bytes of a .hart file' }),
  'HART-1\nacme-20250101000000\nBLAKE2b\n…',
)

const APP = {
  ident: IDENT,
  target: TARGET as typeof TARGET,
  targets: [TARGET] as (typeof TARGET)[],
  visibility: 'public' as const,
  checksum: CHECKSUM,
  size_bytes: 1_048_576,
  signer: 'acme-20250101000000',
  signature: 'verified' as const,
  published_at: YESTERDAY,
  publisher: 'ci',
  source: null,
  package_type: 'standard' as const,
  svc_user: 'hab',
  svc_group: 'hab',
  exposes: [8080],
  deps: [DEPENDENCY],
  tdeps: [DEPENDENCY],
  build_deps: [],
  build_tdeps: [],
  config: 'port = 8080\n',
  manifest: '# acme / app\n',
  views: [{ view: 'acceptance', since_revision: 12, since: NOW }],
  yank: null,
  deprecation: null,
  hold: null,
  announced: false,
}

export const Release = named(
  'Release',
  z.object({
    ident: Ident,
    target: Target,
    targets: z.array(Target).describe('all targets of the ident'),
    visibility: Visibility,
    checksum: Checksum,
    size_bytes: z.int(),
    signer: z.string(),
    signature: z.enum(['verified', 'unknown_signer']),
    published_at: Time,
    publisher: z.string(),
    source: z.string().nullable().describe('the URL of the upstream depot from which it was fetched'),
    package_type: z.enum(['standard', 'native']),
    svc_user: z.string().nullable(),
    svc_group: z.string().nullable(),
    exposes: z.array(z.int()),
    deps: z.array(Ident),
    tdeps: z.array(Ident),
    build_deps: z.array(Ident),
    build_tdeps: z.array(Ident),
    config: z.string(),
    manifest: z.string(),
    views: z.array(z.object({ view: ViewName, ...Since })),
    ...Marks,
    hold: Notice.nullable().describe('set if the release is held, so that it is not deleted'),
    announced: z
      .boolean()
      .describe(
        'whether the depot has only the word of its upstream depot for the release, and fetches the bytes when they are needed',
      ),
  }),
  APP,
)

export const Memberships = named(
  'Memberships',
  z.object({
    ident: Ident,
    target: Target,
    views: z
      .array(z.object({ view: ViewName, ...Interval.shape }))
      .describe(
        'current memberships, then past ones. Both are ordered by the creation of the view, and then oldest first. A repeated promotion starts a new membership',
      ),
    next: Next,
  }),
  {
    ident: IDENT,
    target: TARGET,
    views: [{ view: 'acceptance', from_revision: 12, since: NOW, to_revision: null, until: null }],
    next: null,
  },
)

const Dependent = z.object({ ident: Ident, target: Target })
const APP_DEPENDENT = { ident: 'acme/web/2.0.0/20260101120000', target: TARGET as typeof TARGET }

export const Dependents = named(
  'Dependents',
  z.object({ ident: Ident, target: Target, dependents: z.array(Dependent), next: Next }),
  { ident: IDENT, target: TARGET, dependents: [APP_DEPENDENT], next: null },
)

export const Why = named(
  'Why',
  z.object({
    ident: Ident,
    target: Target,
    kept_by: z
      .array(z.object({ view: ViewName.nullable(), detail: z.string() }))
      .describe(
        'why the release cannot be deleted now; empty if it can. Revisions that are not pinned, lockfiles that are not registered, previews and change records do not refuse a deletion',
      ),
    views: z.array(
      z.object({
        view: ViewName,
        ...Since,
        rule: z.enum(VIEW_RULES),
        latest: z.boolean().describe('whether latest of the view answers it'),
        preview: z.boolean(),
        keeps: z.boolean().describe('whether the view keeps it from being deleted'),
        needed_by: z
          .array(z.array(Ident))
          .describe('chains of direct dependencies, from a release in the view to this one; at most 20'),
        needed_by_hidden: z.boolean().describe('whether releases that the caller may not see need it, too'),
      }),
    ),
    proposals: z.array(
      z.object({
        plan: z.string(),
        view: ViewName,
        act: z.enum(ACTS),
        account: z.string().nullable(),
        created_at: Time,
      }),
    ),
    dependents: z
      .array(Dependent)
      .describe('the first 20 releases in the depot that need it, in any view or none'),
    more_dependents: z.boolean(),
    reasons: z
      .array(
        z.object({
          kind: z.enum(['hold', 'view', 'history', 'pin', 'lockfile', 'proposal', 'change', 'dependency']),
          view: ViewName.nullable(),
          chain: z
            .array(z.string())
            .describe(
              'what keeps it, such as union@12, and the idents from the release that this needs to the release in question',
            ),
          detail: z.string(),
        }),
      )
      .describe('why retention keeps the release, apart from its rules; at most 50'),
    more_reasons: z.boolean(),
    hidden_reasons: z.boolean().describe('whether there are reasons that the caller may not see'),
  }),
  {
    ident: IDENT,
    target: TARGET,
    kept_by: [{ view: 'acceptance', detail: 'it is in acceptance: demote it first' }],
    views: [
      {
        view: 'acceptance',
        since_revision: 12,
        since: NOW,
        rule: 'promoted',
        latest: true,
        preview: false,
        keeps: true,
        needed_by: [[APP_DEPENDENT.ident, IDENT]],
        needed_by_hidden: false,
      },
    ],
    proposals: [{ plan: PLAN, view: 'union', act: 'promote', account: 'jane', created_at: YESTERDAY }],
    dependents: [APP_DEPENDENT],
    more_dependents: false,
    reasons: [
      {
        kind: 'view',
        view: 'acceptance',
        chain: ['acceptance@12', IDENT],
        detail: `${IDENT} is latest in acceptance`,
      },
    ],
    more_reasons: false,
    hidden_reasons: false,
  },
)

export const Upload = named(
  'Upload',
  Release.extend({
    promotion: PromotionAnswer.nullable().describe(
      'the promotion into the view of the request; null without a view',
    ),
    warnings: z.array(z.string()).describe('sentences about quotas that are nearly used up'),
  }),
  { ...APP, views: [], promotion: null, warnings: ['the origin acme uses 84 % of its quota of 10.0 GiB'] },
)

export const MarkBody = named('NewMark', z.strictObject({ reason: Reason }), { reason: 'use acme/app2' })

export const YankBody = named(
  'NewYank',
  z.strictObject({ reason: Reason, override: ChangeOptions.override }),
  { reason: 'it loses data' },
)

export const UnyankQuery = ReleaseQuery.extend({
  override: Reason.optional().describe('overrides the freezes of views; the reason is recorded'),
})

export const MarkedRelease = named(
  'MarkedRelease',
  z.object({
    ident: Ident,
    target: Target,
    changed: z.boolean(),
    ...Marks,
    hold: Notice.nullable(),
    promotions: z.array(PromotionAnswer).describe('the revisions that a yank, or its end, made'),
  }),
  {
    ident: IDENT,
    target: TARGET,
    changed: true,
    yank: { reason: 'it loses data', by: 'alice', since: NOW },
    deprecation: null,
    hold: null,
    promotions: [],
  },
)
