import { z } from 'zod'
import { MAX_NAMED_RELEASES } from '../../../views/change-request.ts'
import { MAX_VIEWS_IN_STATE } from '../../../views/desired-state.ts'
import { VIEW_RULES } from '../../../views/rule.ts'
import { parseViewName } from '../../../views/view.ts'
import { EARLIER_IDENT, IDENT, PLAN, REVISION_ID, TARGET } from '../conventions/examples.ts'
import { Revision, RevisionId, ViewName, named, textOf } from '../conventions/shapes.ts'
import { DesiredGates, GateSettings } from '../gates/shapes.ts'
import { Blocked } from '../plans/shapes.ts'
import { ChangeOptions, Notes, PointerMove, ReleaseInBody, Step } from '../promotions/shapes.ts'
import { Ungoverned } from '../views/shapes.ts'

// Shapes of the desired state of several views, and of its plan.

const desiredView = z
  .strictObject({
    closed: z.literal(true).optional().describe('the view should not exist; it must be empty'),
    rule: z
      .enum(VIEW_RULES)
      .optional()
      .describe(
        'whether latest is the release promoted last or the highest version; promoted for a new view',
      ),
    ungoverned: Ungoverned.optional(),
    gates: DesiredGates.optional(),
    contents: z
      .array(ReleaseInBody)
      .max(MAX_NAMED_RELEASES)
      .optional()
      .describe(
        'exactly these releases should be latest, at most one for each package and target. Packages that are not listed leave the view. A release without a target is of x86_64-linux, or of the only target of the ident',
      ),
  })
  .refine(
    ({ closed, ...rest }) =>
      closed === undefined || Object.values(rest).every((field) => field === undefined),
    'a closed view has no other fields',
  )
  .describe('absent fields stay as they are; gates replaces all gates')

const DesiredView = named('DesiredView', desiredView)

const Views = z
  .record(textOf(parseViewName), DesiredView)
  .refine((views) => Object.keys(views).length <= MAX_VIEWS_IN_STATE, `at most ${MAX_VIEWS_IN_STATE} views`)
  .refine(
    (views) => contentsOf(views).length <= MAX_NAMED_RELEASES,
    `all contents together have at most ${MAX_NAMED_RELEASES} releases`,
  )
  .describe('views by name; others stay as they are')

function contentsOf(views: Readonly<Record<string, z.infer<typeof DesiredView>>>): unknown[] {
  return Object.values(views).flatMap(({ contents = [] }) => contents)
}

const EXAMPLE_VIEWS: z.input<typeof Views> = {
  staging: { rule: 'promoted', gates: { requires: [{ view: 'acceptance' }], closure: 'depot' } },
  delivered: { contents: [IDENT] },
}

export const StateBody = named('DesiredState', z.strictObject({ views: Views }), { views: EXAMPLE_VIEWS })

export const ApplyStateBody = named(
  'DesiredStateToApply',
  z.strictObject({
    views: Views,
    plan: z
      .string()
      .optional()
      .describe('the plan to apply. If these views would now change in another way, the answer is 412'),
    reason: ChangeOptions.reason,
    override: ChangeOptions.override,
  }),
  { views: EXAMPLE_VIEWS, plan: PLAN, reason: 'views of October' },
)

/** The change of a setting, or null. */
function replacement<Shape extends z.ZodType>(shape: Shape) {
  return z
    .object({ from: shape.nullable().describe('null for a new view'), to: shape })
    .nullable()
    .describe('null if it stays')
}

const viewPlan = z.object({
  view: ViewName,
  act: z.enum(['create', 'change', 'close', 'keep']),
  revision: Revision.describe('the revision of the view when the plan was made'),
  rule: replacement(z.enum(VIEW_RULES)),
  ungoverned: replacement(z.array(z.string())),
  gates: replacement(GateSettings),
  releases: z.array(Step).describe('without releases that the caller may not see'),
  pointers: z.array(PointerMove),
  blocked: z
    .array(Blocked.extend({ pointer: z.string().describe('the part of the request (RFC 6901)') }))
    .describe('the reasons why the caller cannot make this change'),
  notes: Notes,
})

const EXAMPLE: z.input<typeof viewPlan> = {
  view: 'delivered',
  act: 'change',
  revision: 11,
  rule: null,
  ungoverned: null,
  gates: null,
  releases: [{ ident: IDENT, target: TARGET, change: 'moved', from: EARLIER_IDENT, dependency: false }],
  pointers: [{ package: 'acme/app', target: TARGET, from: EARLIER_IDENT, to: IDENT }],
  blocked: [],
  notes: [],
}

export const StatePlan = named(
  'StatePlan',
  z.object({
    plan: z.string().describe('identifies these changes; send it when you apply them'),
    changed: z.boolean().describe('whether anything would change'),
    views: z.array(viewPlan).describe('in the order in which they change'),
  }),
  { plan: PLAN, changed: true, views: [EXAMPLE] },
)

export const StateAnswer = named(
  'StateChange',
  z.object({
    changed: z.boolean(),
    views: z.array(
      viewPlan.extend({ made_revision: RevisionId.nullable().describe('the new revision, if there is one') }),
    ),
    overridden: z.array(z.string()).describe('the overridden refusals'),
  }),
  { changed: true, views: [{ ...EXAMPLE, made_revision: REVISION_ID }], overridden: [] },
)
