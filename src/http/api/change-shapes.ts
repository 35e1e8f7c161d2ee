import { z } from 'zod'
import { LARGEST_LOCKFILE_BYTES } from '../../lockfiles/lockfile.ts'
import { POSITION } from '../../ledger/position.ts'
import { isOriginName, parseIdent } from '../../package/ident.ts'
import { VIEW_RULES } from '../../views/rule.ts'
import { ACTS } from '../../views/view.ts'
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
} from './shapes.ts'

// The shapes of changes of views, and of the rules they are judged by.

/** One by one, in a body. */
export const MOST_NAMED = 10_000
const LONGEST_REASON = 2_000
const MOST_ACCOUNTS = 1_000
const MOST_REQUIREMENTS = 10
const MOST_UNGOVERNED = 100
const LONGEST_SOAK_SECONDS = 366 * 86_400
const LONGEST_PROPOSAL_SECONDS = 90 * 86_400

// What comes in

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
    'all of them, or none. Without a target: x86_64-linux or, failing it, the only one the ident was published for',
  )

const From = z
  .strictObject({
    view: ViewName,
    at: Moment.optional(),
    origin: z.string().optional(),
    name: z.string().optional(),
  })
  .describe('what latest answers in another view, or answered there: everything, or of an origin or a name')

const Lockfile = z
  .string()
  .max(LARGEST_LOCKFILE_BYTES)
  .describe(
    'the text of a lockfile that a trusted key signed: what latest answered there. All that it names must be here',
  )

const Sources = { releases: Named.optional(), from: From.optional(), lockfile: Lockfile.optional() }

const Asking = {
  reason: Reason.optional(),
  expect_revision: RevisionNamed.optional().describe(
    'refuse (412) unless the view is at this revision. A revision_id of another history is refused, too (409 other_history)',
  ),
  override: z
    .strictObject({ reason: Reason })
    .optional()
    .describe("break the glass: set the view's rules aside, for the record"),
}

const Promotion = {
  ...Sources,
  with_deps: z
    .boolean()
    .optional()
    .describe('everything that the releases need comes along, and takes latest from nothing that is higher'),
  exact: z.boolean().optional().describe('of packages that the source does not have, everything leaves'),
}

export const PromotionBody = z.strictObject({ ...Promotion, ...Asking })
export const DemotionBody = z.strictObject({ ...Sources, ...Asking })
const Only = {
  origin: z.string().optional().describe('nothing but packages of this origin'),
  name: z.string().optional().describe('nothing but packages of this name'),
}

export const RollbackBody = z.strictObject({ to: Moment, ...Only, ...Asking })
export const RevertBody = z.strictObject({ revision: RevisionNamed, ...Only, ...Asking })

export const PlanBody = z.strictObject({
  act: z.enum(ACTS).default('promote'),
  ...Promotion,
  to: Moment.optional().describe('of a rollback'),
  revision: RevisionNamed.optional().describe('of a revert'),
  origin: z.string().optional().describe('of a rollback or revert: nothing but packages of this origin'),
  name: z.string().optional().describe('of a rollback or revert: nothing but packages of this name'),
  rule: z.enum(VIEW_RULES).optional().describe('of a set-rule, which administrators of the depot apply'),
  reason: Reason.optional(),
})

export const ViewBody = z
  .strictObject({
    rule: z
      .enum(VIEW_RULES)
      .optional()
      .describe(
        'what latest means; another one makes a revision, which a plan with act "set-rule" shows before',
      ),
    ungoverned: z
      .array(z.string().refine(isOriginName, "must be an origin's name"))
      .max(MOST_UNGOVERNED)
      .optional()
      .describe(
        'origins of which, below the URL of the view, the channel asked for has what the view does not have',
      ),
    ...Asking,
  })
  .refine(
    ({ rule, ungoverned }) => rule !== undefined || ungoverned !== undefined,
    'say what to set: rule, ungoverned, or both',
  )

export const ApplyBody = z.strictObject({ reason: Asking.reason, override: Asking.override })
export const RejectBody = z.strictObject({ reason: Reason.optional() })
export const PlanPath = z.object({ plan: z.string() })
export const PreviewBody = z.strictObject({
  name: z.string(),
  plan: z.string().describe('the plan of a draft or a proposal for this view'),
})
export const FreezeBody = z.strictObject({
  reason: Reason,
  until: Time.optional().describe('it ends by itself then'),
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
          .describe('a member there, or what latest answers there'),
        soak_seconds: z
          .int()
          .min(0)
          .max(LONGEST_SOAK_SECONDS)
          .default(0)
          .describe('for so long, without a break'),
      }),
    )
    .max(MOST_REQUIREMENTS)
    .default([])
    .describe('what is promoted must be in these views'),
  closure: z
    .enum(['depot', 'view'])
    .nullable()
    .default(null)
    .describe('all that is needed (TDEPS) must be in the depot or, strictest, in the view, and stays there'),
  downgrade: z
    .enum(['refuse'])
    .nullable()
    .default(null)
    .describe('latest does not go down, but for a rollback or a revert'),
  promoters: Accounts.nullable()
    .default(null)
    .describe('only these accounts change the view, whatever their roles in origins'),
  approval: z
    .strictObject({
      approvers: Accounts.nullable().default(null).describe('null: whoever may change the view'),
      expires_seconds: z
        .int()
        .min(60)
        .max(LONGEST_PROPOSAL_SECONDS)
        .default(7 * 86_400),
    })
    .nullable()
    .default(null)
    .describe('a change is proposed, and a second person approves it'),
  overriders: Accounts.nullable()
    .default(null)
    .describe('who may break the glass, besides administrators of the depot'),
})

// What goes out

export const GatesShape = named(
  'Gates',
  GatesBody.extend({
    view: ViewName,
    frozen: Frozen.nullable(),
    freezes: z.array(FreezeShape).describe('those that hold in the view now, and that you may know of'),
  }),
)
export const Freezes = named(
  'Freezes',
  z
    .object({ freezes: z.array(FreezeShape) })
    .describe('those that hold in every view now, and that you may know of'),
)

const Step = z.object({
  ident: Ident,
  target: Target,
  change: z
    .enum(['added', 'moved', 'downgraded', 'joined', 'unchanged', 'removed'])
    .describe(
      'added: latest had no answer; moved: latest goes up to it; downgraded: latest goes down to it; joined: a member, and latest stays',
    ),
  from: Ident.nullable().describe('what latest answered before, where it moves'),
  dependency: z.boolean().describe('it came along because another needs it'),
})

const Notes = z.array(z.string()).describe('what one should know, a sentence each')

export const PromotionAnswer = named(
  'Promotion',
  z.object({
    view: ViewName,
    revision: Revision.describe('the one this made or, where it changed nothing, the one the view is at'),
    revision_id: RevisionId,
    changed: z.boolean(),
    rule: z.enum(VIEW_RULES).nullable().describe('the rule that it set'),
    releases: z.array(Step),
    pointers: z.array(PointerMove),
    overridden: z.array(z.string()).describe('rules that were set aside'),
    notes: Notes,
  }),
)

export const ViewAnswer = named(
  'ViewChange',
  z.object({
    view: View,
    change: PromotionAnswer.nullable().describe('what another rule did; null where the rule is as it was'),
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
    plan: z.string().describe('what apply, approve, reject and previews take'),
    kind: z.enum(['draft', 'proposal']),
    state: z.enum(['open', 'applied', 'rejected', 'stale', 'expired']),
    view: ViewName,
    act: z.enum(ACTS),
    revision: Revision.describe('of the view, when the plan was made'),
    source: Source.nullable(),
    of: Revision.nullable(),
    rule: z.enum(VIEW_RULES).nullable().describe('the rule that it would set'),
    account: z.string().nullable().describe('whose it is'),
    reason: z.string().nullable(),
    created_at: Time,
    expires_at: Time,
    ended_at: Time.nullable(),
    decided_by: z.string().nullable(),
    made_revision: Revision.nullable(),
    releases: z.array(Step),
    pointers: z.array(PointerMove),
    blocked: z.array(Blocked).describe('why it would be refused, for who made it'),
    missing: z
      .array(z.object({ ident: Ident, target: Target, chain: z.array(Ident) }))
      .describe('needed, and not in the depot'),
    notes: Notes,
  }),
)

export const Proposals = named(
  'Proposals',
  z.object({ view: ViewName, proposals: z.array(Plan), next: Next }),
)
