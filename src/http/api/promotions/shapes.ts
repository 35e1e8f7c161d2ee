import { z } from 'zod'
import { LARGEST_LOCKFILE_BYTES } from '../../../lockfiles/lockfile.ts'
import { POSITION } from '../../../ledger/position.ts'
import { isOriginName, parseIdent } from '../../../package/ident.ts'
import { VIEW_RULES } from '../../../views/rule.ts'
import { ACTS } from '../../../views/view.ts'
import {
  FreezeShape,
  Frozen,
  Ident,
  PointerMove,
  Revision,
  RevisionId,
  Source,
  Target,
  Time,
  Next,
  View,
  ViewName,
  named,
  textOf,
} from '../conventions/shapes.ts'

// Shapes of changes of views, and of the rules that govern them.

/** The most releases that one body may list. */
export const MOST_NAMED = 10_000
const LONGEST_REASON = 2_000
const MOST_ACCOUNTS = 1_000
const MOST_REQUIREMENTS = 10
const MOST_UNGOVERNED = 100
const LONGEST_SOAK_SECONDS = 366 * 86_400
const LONGEST_PROPOSAL_SECONDS = 90 * 86_400

// Requests

const Reason = z.string().min(1).max(LONGEST_REASON)
const Moment = z
  .union([z.int().min(0), z.string()])
  .describe('a revision, a revision_id, or a time (RFC 3339)')
const RevisionNamed = z.union([
  Revision,
  z.string().regex(POSITION, 'must be a revision, or a revision_id such as 12-9c0f1b2a3d4e5f60'),
])

const Named = z
  .array(
    z.strictObject({
      ident: textOf(parseIdent).describe('origin/name/version/release'),
      target: Target.optional(),
    }),
  )
  .min(1)
  .max(MOST_NAMED)
  .describe(
    'either all are changed or none. The default target is x86_64-linux, or else the only target of the ident',
  )

const From = z
  .strictObject({
    view: ViewName,
    at: Moment.optional(),
    origin: z.string().optional(),
    name: z.string().optional(),
  })
  .describe(
    'the latest releases of another view, now or at an earlier time, optionally only those of an origin or a name',
  )

const Lockfile = z
  .string()
  .max(LARGEST_LOCKFILE_BYTES)
  .describe('the text of a lockfile that a trusted key signed. Every release in it must be in the depot')

const Sources = { releases: Named.optional(), from: From.optional(), lockfile: Lockfile.optional() }

const Asking = {
  reason: Reason.optional(),
  expect_revision: RevisionNamed.optional().describe(
    'refuses the change with 412 unless the view is at this revision, and with 409 other_history if the revision_id belongs to another history',
  ),
  override: z
    .strictObject({ reason: Reason })
    .optional()
    .describe("overrides the view's rules; the reason is recorded"),
}

const Promotion = {
  ...Sources,
  with_deps: z
    .boolean()
    .optional()
    .describe(
      'also adds all dependencies of the releases; a dependency never replaces a higher latest release',
    ),
  exact: z.boolean().optional().describe('also removes packages that the source does not have'),
}

export const PromotionBody = z.strictObject({ ...Promotion, ...Asking })
export const DemotionBody = z.strictObject({ ...Sources, ...Asking })
const Only = {
  origin: z.string().optional().describe('restricts the change to packages of this origin'),
  name: z.string().optional().describe('restricts the change to packages of this name'),
}

export const RollbackBody = z.strictObject({ to: Moment, ...Only, ...Asking })
export const RevertBody = z.strictObject({ revision: RevisionNamed, ...Only, ...Asking })

export const PlanBody = z.strictObject({
  act: z.enum(ACTS).default('promote'),
  ...Promotion,
  to: Moment.optional().describe('for a rollback'),
  revision: RevisionNamed.optional().describe('for a revert'),
  origin: z.string().optional().describe('for a rollback or revert: restricts it to packages of this origin'),
  name: z.string().optional().describe('for a rollback or revert: restricts it to packages of this name'),
  rule: z.enum(VIEW_RULES).optional().describe('for a set-rule, which only administrators can apply'),
  reason: Reason.optional(),
})

export const ViewBody = z
  .strictObject({
    rule: z
      .enum(VIEW_RULES)
      .optional()
      .describe(
        'the meaning of latest. Changing it makes a revision; a plan with act "set-rule" shows it in advance',
      ),
    ungoverned: z
      .array(z.string().refine(isOriginName, "must be an origin's name"))
      .max(MOST_UNGOVERNED)
      .optional()
      .describe(
        'origins whose packages, if not in the view, are served from the requested channel below the URL of the view',
      ),
    ...Asking,
  })
  .refine(
    ({ rule, ungoverned }) => rule !== undefined || ungoverned !== undefined,
    'must set rule, ungoverned, or both',
  )

export const ApplyBody = z.strictObject({ reason: Asking.reason, override: Asking.override })
export const RejectBody = z.strictObject({ reason: Reason.optional() })
export const PlanPath = z.object({ plan: z.string() })
export const PreviewBody = z.strictObject({
  name: z.string(),
  plan: z.string().describe('a draft or proposal for this view'),
})
export const FreezeBody = z.strictObject({
  reason: Reason,
  until: Time.optional().describe('when the freeze ends by itself'),
  ...Only,
})
export const ThawQuery = z.strictObject({ ...Only })

const Accounts = z.array(z.string()).min(1).max(MOST_ACCOUNTS)

export const GatesBody = z.strictObject({
  requires: z
    .array(
      z.strictObject({
        view: ViewName,
        as: z
          .enum(['member', 'current'])
          .default('member')
          .describe('whether the release must be a member or the latest release of that view'),
        soak_seconds: z
          .int()
          .min(0)
          .max(LONGEST_SOAK_SECONDS)
          .default(0)
          .describe('how long it must have been there without interruption'),
      }),
    )
    .max(MOST_REQUIREMENTS)
    .default([])
    .describe('promoted releases must be in these views'),
  closure: z
    .enum(['depot', 'view'])
    .nullable()
    .default(null)
    .describe('all dependencies (TDEPS) must be, and stay, in the depot or, stricter, in the view'),
  downgrade: z
    .enum(['refuse'])
    .nullable()
    .default(null)
    .describe('latest never moves to a lower release, except by a rollback or a revert'),
  promoters: Accounts.nullable()
    .default(null)
    .describe('only these accounts may change the view, regardless of their roles in origins'),
  approval: z
    .strictObject({
      approvers: Accounts.nullable()
        .default(null)
        .describe('null for every account that may change the view'),
      expires_seconds: z
        .int()
        .min(60)
        .max(LONGEST_PROPOSAL_SECONDS)
        .default(7 * 86_400),
    })
    .nullable()
    .default(null)
    .describe('changes become proposals that a second person must approve'),
  overriders: Accounts.nullable()
    .default(null)
    .describe('accounts that may override rules, in addition to administrators'),
})

// Responses

export const GatesShape = named(
  'Gates',
  GatesBody.extend({
    view: ViewName,
    frozen: Frozen.nullable(),
    freezes: z.array(FreezeShape).describe('the freezes of the view in force now that the caller may see'),
  }),
)
export const Freezes = named(
  'Freezes',
  z
    .object({ freezes: z.array(FreezeShape) })
    .describe('the freezes of all views in force now that the caller may see'),
)

const Step = z.object({
  ident: Ident,
  target: Target,
  change: z
    .enum(['added', 'moved', 'downgraded', 'joined', 'unchanged', 'removed'])
    .describe(
      'added: the package had no latest release; moved: latest moves up to it; downgraded: latest moves down to it; joined: it becomes a member, and latest stays',
    ),
  from: Ident.nullable().describe('the previous latest release, if latest moves'),
  dependency: z.boolean().describe('whether it was added as a dependency'),
})

const Notes = z.array(z.string()).describe('remarks, one sentence each')

export const PromotionAnswer = named(
  'Promotion',
  z.object({
    view: ViewName,
    revision: Revision.describe('the new revision, or the current one if nothing changed'),
    revision_id: RevisionId,
    changed: z.boolean(),
    rule: z.enum(VIEW_RULES).nullable().describe('the new rule, if changed'),
    releases: z.array(Step),
    pointers: z.array(PointerMove),
    overridden: z.array(z.string()).describe('the overridden rules'),
    notes: Notes,
  }),
)

export const ViewAnswer = named(
  'ViewChange',
  z.object({
    view: View,
    change: PromotionAnswer.nullable().describe('the effect of a new rule; null if the rule did not change'),
  }),
)

const Blocked = z.object({
  rule: z.enum(['rights', 'freeze', 'conflict', 'requires', 'closure', 'downgrade', 'approval']),
  detail: z.string(),
  chain: z.array(Ident).optional(),
})

export const Plan = named(
  'Plan',
  z.object({
    plan: z.string().describe('the id for apply, approve, reject and previews'),
    kind: z.enum(['draft', 'proposal']),
    state: z.enum(['open', 'applied', 'rejected', 'stale', 'expired']),
    view: ViewName,
    act: z.enum(ACTS),
    revision: Revision.describe('the revision of the view when the plan was made'),
    source: Source.nullable(),
    of: Revision.nullable(),
    rule: z.enum(VIEW_RULES).nullable().describe('the rule to set'),
    account: z.string().nullable().describe('the owner'),
    reason: z.string().nullable(),
    created_at: Time,
    expires_at: Time,
    ended_at: Time.nullable(),
    decided_by: z.string().nullable(),
    made_revision: Revision.nullable(),
    releases: z.array(Step),
    pointers: z.array(PointerMove),
    blocked: z.array(Blocked).describe('the reasons why the owner could not apply it'),
    missing: z
      .array(z.object({ ident: Ident, target: Target, chain: z.array(Ident) }))
      .describe('dependencies that are not in the depot'),
    notes: Notes,
  }),
)

export const Proposals = named(
  'Proposals',
  z.object({ view: ViewName, proposals: z.array(Plan), next: Next }),
)
