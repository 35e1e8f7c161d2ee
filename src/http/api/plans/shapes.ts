import { z } from 'zod'
import { VIEW_RULES } from '../../../views/rule.ts'
import { REQUESTED_ACTS } from '../../../views/view.ts'
import { EARLIER_IDENT, IDENT, LATER, NEXT_WEEK, NOW, PLAN, TARGET } from '../conventions/examples.ts'
import { Ident, Next, Revision, Target, Time, ViewName, named } from '../conventions/shapes.ts'
import { ChangeBody, Notes, ChangeOptions, PointerMove, Reason, Source, Step } from '../promotions/shapes.ts'

// Shapes of plans and proposals.

export const PlanPath = z.object({ plan: z.string() })

export const PlanBody = named('NewPlan', ChangeBody.extend({ reason: Reason.optional() }), {
  act: 'promote',
  from: { view: 'acceptance' },
  with_deps: true,
  reason: 'release 1.2',
})
export const ApplyBody = named(
  'PlanDecision',
  z.strictObject({ reason: ChangeOptions.reason, override: ChangeOptions.override }),
  { reason: 'tested in acceptance' },
)
export const RejectBody = named('Rejection', z.strictObject({ reason: Reason.optional() }), {
  reason: 'after the holidays',
})

export const Blocked = z.object({
  rule: z.enum([
    'rights',
    'freeze',
    'conflict',
    'yanked',
    'requires',
    'closure',
    'downgrade',
    'settle',
    'approval',
  ]),
  detail: z.string(),
  chain: z.array(Ident).optional(),
})

const plan = z.object({
  plan: z.string().describe('the id for apply, approve, reject and previews'),
  kind: z.enum(['draft', 'proposal']),
  state: z.enum(['open', 'applied', 'rejected', 'stale', 'expired']),
  view: ViewName,
  act: z.enum(REQUESTED_ACTS),
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
  blocked: z.array(Blocked).describe('the reasons why the owner cannot apply the plan'),
  missing: z
    .array(z.object({ ident: Ident, target: Target, chain: z.array(Ident) }))
    .describe('dependencies that are not in the depot'),
  notes: Notes,
})

const EXAMPLE: z.input<typeof plan> = {
  plan: PLAN,
  kind: 'draft',
  state: 'open',
  view: 'union',
  act: 'promote',
  revision: 8,
  source: { view: 'acceptance', revision: 12 },
  of: null,
  rule: null,
  account: 'ci',
  reason: 'release 1.2',
  created_at: NOW,
  expires_at: LATER,
  ended_at: null,
  decided_by: null,
  made_revision: null,
  releases: [{ ident: IDENT, target: TARGET, change: 'moved', from: EARLIER_IDENT, dependency: false }],
  pointers: [{ package: 'acme/app', target: TARGET, from: EARLIER_IDENT, to: IDENT }],
  blocked: [],
  missing: [],
  notes: [],
}

export const Plan = named('Plan', plan, EXAMPLE)

export const Proposals = named(
  'Proposals',
  z.object({ view: ViewName, proposals: z.array(Plan), next: Next }),
  { view: 'union', proposals: [{ ...EXAMPLE, kind: 'proposal', expires_at: NEXT_WEEK }], next: null },
)
