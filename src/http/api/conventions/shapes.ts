import { z } from 'zod'
import { ACTIONS, ROLES } from '../../../access/access.ts'
import { DepotError } from '../../../errors.ts'
import { TARGETS } from '../../../package/target.ts'
import { VIEW_RULES } from '../../../views/rule.ts'
import { ACTS, parseViewName } from '../../../views/view.ts'

// The JSON shapes of `/api/v1`. Requests are validated against them. Responses are not, so that long lists
// cost nothing; the compiler and the tests hold responses to their shapes. Changes are additive: fields are
// added, and never removed or given another meaning.

/** Gives a shape a name of its own in openapi.yaml. */
export function named<Shape extends z.ZodType>(id: string, shape: Shape): Shape {
  return shape.meta({ id })
}

/** A string that a parser of the core accepts. The parser's error message goes to the caller. */
export function textOf(parse: (text: string) => unknown) {
  return z.string().superRefine((text, context) => {
    try {
      parse(text)
    } catch (error) {
      if (!(error instanceof DepotError)) throw error
      context.addIssue({ code: 'custom', message: error.message })
    }
  })
}

export const MOST_IN_A_PAGE = 1_000
export const USUAL_PAGE = 100

export const Time = z.iso.datetime().describe('RFC 3339, in UTC')
export const Ident = z.string().describe('origin/name/version/release')
export const Package = z.string().describe('origin/name')
export const Target = z.enum(TARGETS)
export const ViewName = z.string()
export const Revision = z.int().min(0)
export const RevisionId = z
  .string()
  .describe(
    'a revision and the first 16 characters of the hash of its ledger entry, for expect_revision and min_revision',
  )
export const Next = z.string().nullable().describe('the URL of the next page; null on the last page')

// Requests

export const ViewPath = z.object({ view: z.string() })
export const RevisionPath = z.object({
  view: z.string(),
  revision: z.string().regex(/^\d{1,15}$/, 'must be a number'),
})
export const LinePath = z.object({ view: z.string(), origin: z.string(), name: z.string() })
export const VersionPath = LinePath.extend({ version: z.string() })
export const ReleasePath = z.object({
  origin: z.string(),
  name: z.string(),
  version: z.string(),
  release: z.string(),
})
export const OriginPath = z.object({ origin: z.string() })
export const MemberPath = z.object({ origin: z.string(), account: z.string() })

export const TargetQuery = z.strictObject({ target: Target.optional() })

export const Format = z
  .enum(['json', 'text'])
  .optional()
  .describe('same as Accept: application/json or text/plain, for clients that cannot set headers')
export const FormatQuery = z.strictObject({ format: Format })

export const PageQuery = z.strictObject({
  cursor: z.string().optional().describe('opaque; taken from next'),
  limit: z.coerce.number().int().min(1).max(MOST_IN_A_PAGE).default(USUAL_PAGE),
  format: Format,
})

export const ContentQuery = PageQuery.extend({
  at: z
    .string()
    .optional()
    .describe('a revision, a revision_id, or a time (RFC 3339): shows the view as it was then; default: now'),
  origin: z.string().optional(),
  name: z.string().optional(),
})

export const NewView = z.strictObject({
  name: textOf(parseViewName),
  rule: z
    .enum(['promoted', 'highest'])
    .default('promoted')
    .describe('whether latest is the release promoted last or the highest version'),
})

export const PromotionHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .regex(/^[!-~]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
    .optional()
    .describe(
      'a unique key for this request: repeating the request with it within seven days returns the first answer',
    ),
  'if-match': z
    .string()
    .optional()
    .describe('the entity tag of the view, or a revision such as "12"; same as expect_revision'),
})

export const MemberBody = z.strictObject({ role: z.enum(ROLES).exclude(['owner']) })

// Responses

export const Problem = named(
  'Problem',
  z
    .object({
      type: z.string(),
      title: z.string(),
      status: z.int(),
      code: z.string().describe('stable; for programs'),
      detail: z.string(),
      errors: z
        .array(
          z.object({
            detail: z.string(),
            pointer: z.string().optional().describe('the part of the request (RFC 6901)'),
            rule: z.string().optional().describe('the rule of the view that refuses the change'),
            chain: z
              .array(z.string())
              .optional()
              .describe('idents from the requested release to the missing one'),
          }),
        )
        .optional(),
      plan: z.looseObject({}).optional().describe('a new Plan that replaces the stale one'),
      request_id: z.string().describe('the id of this request in the log'),
    })
    .describe('an error (RFC 9457)'),
)

export const View = named(
  'View',
  z.object({
    name: ViewName,
    rule: z.enum(['promoted', 'highest']),
    maker: z.enum(['depot', 'operator', 'client']),
    revision: Revision.describe('the latest revision; 0 before the first promotion'),
    created_at: Time,
    ungoverned: z
      .array(z.string())
      .describe(
        'origins whose packages, if not in the view, are served from the requested channel below the URL of the view',
      ),
  }),
)
export const FreezeShape = named(
  'Freeze',
  z
    .object({
      view: ViewName.nullable().describe('null for every view'),
      origin: z.string().nullable(),
      name: z.string().nullable(),
      reason: z.string(),
      until: Time.nullable().describe('null if it has no end'),
      by: z.string(),
      since: Time,
    })
    .describe('blocks changes of all packages, or only of packages with the given origin, name, or both'),
)
export const Frozen = z
  .object({ reason: z.string(), until: Time.nullable(), by: z.string(), since: Time })
  .describe('all changes are blocked')
export const ViewDetail = named(
  'ViewDetail',
  View.extend({
    revision_id: RevisionId,
    revised_at: Time.nullable(),
    closed_at: Time.nullable(),
    packages: z.int().describe('the number of packages, counted per target, that have a latest release'),
    frozen: Frozen.nullable(),
    preview_of: ViewName.nullable().describe('the view of which this is a preview'),
  }),
)
export const Views = named('Views', z.object({ views: z.array(View), next: Next }))

const Pointer = named(
  'Pointer',
  z
    .object({ package: Package, target: Target, ident: Ident, since_revision: Revision, since: Time })
    .describe('the latest release, and since when'),
)
const AtRevision = {
  view: ViewName,
  revision: Revision,
  at: Time.nullable().describe('when the revision was made'),
}
export const Content = named('Content', z.object({ ...AtRevision, pointers: z.array(Pointer), next: Next }))

const Member = named(
  'Member',
  z.object({ ident: Ident, target: Target, since_revision: Revision, since: Time }),
)
export const Members = named('Members', z.object({ ...AtRevision, members: z.array(Member), next: Next }))

export const Latest = named(
  'Latest',
  z.object({
    view: ViewName,
    package: Package,
    target: Target,
    ident: Ident,
    checksum: z.string().describe('BLAKE2b-256 of the file'),
    revision: Revision.nullable().describe(
      'the revision that made this release the latest; null for the latest of one version',
    ),
  }),
)

export const Only = z.object({ origin: z.string().nullable(), name: z.string().nullable() })
export const Source = z.union([
  z.object({ view: ViewName, revision: Revision }),
  z.object({ lockfile: z.string().describe('SHA-256 of the lockfile') }),
])
export const ReleaseName = z.object({ ident: Ident, target: Target })
export const PointerMove = named(
  'PointerMove',
  z
    .object({ package: Package, target: Target, from: Ident.nullable(), to: Ident.nullable() })
    .describe('latest changed from one release to another'),
)
export const RevisionShape = named(
  'Revision',
  z
    .object({
      revision: Revision,
      at: Time,
      act: z.enum(ACTS),
      actor: z.string().nullable().describe('the account; null for changes by the depot itself'),
      client: z.string().describe('the User-Agent of the client'),
      cause: z.enum(['upload', 'channel-removed', 'release-deleted', 'bulk', 'preview']).nullable(),
      reason: z.string().nullable(),
      of: Revision.nullable().describe('the revision that a rollback restored or a revert undid'),
      only: Only.nullable().describe('the packages to which a rollback or revert was restricted'),
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
    ),
)
export const History = named(
  'History',
  z.object({ view: ViewName, revisions: z.array(RevisionShape), next: Next }),
)

export const Release = named(
  'Release',
  z.object({
    ident: Ident,
    target: Target,
    targets: z.array(Target).describe('all targets of the ident'),
    visibility: z.enum(['public', 'private', 'hidden']),
    checksum: z.string().describe('BLAKE2b-256 of the file'),
    size_bytes: z.int(),
    signer: z.string(),
    signature: z.enum(['verified', 'unknown_signer']),
    published_at: Time,
    publisher: z.string(),
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
    views: z.array(z.object({ view: ViewName, since_revision: Revision, since: Time })),
  }),
)

export const Origin = named(
  'Origin',
  z.object({
    name: z.string(),
    owner: z.string(),
    default_visibility: z.enum(['public', 'private', 'hidden']),
    created_at: Time,
  }),
)
const OriginMember = named('OriginMember', z.object({ account: z.string(), role: z.enum(ROLES) }))
export const OriginMembers = named(
  'OriginMembers',
  z.object({ origin: z.string(), members: z.array(OriginMember), next: Next }),
)
export const MemberAnswer = named(
  'MemberChange',
  OriginMember.extend({ origin: z.string(), changed: z.boolean() }),
)

export const AccountPath = z.object({ account: z.string() })
export const Account = named('Account', z.object({ account: z.string() }))

export const WhoAmI = named(
  'WhoAmI',
  z.object({
    account: z.string(),
    administrator: z.boolean(),
    token: z.object({
      expires_at: Time.nullable(),
      actions: z.array(z.enum(ACTIONS)).nullable().describe('null for any action'),
      origins: z.array(z.string()).nullable(),
      views: z.array(z.string()).nullable(),
    }),
    roles: z
      .record(z.string(), z.enum(ROLES))
      .describe('roles by origin, limited to the origins of the token'),
  }),
)
