import { z } from 'zod'
import { POSITION } from '../../../ledger/position.ts'
import { MAX_LOCKFILE_BYTES } from '../../../lockfiles/lockfile.ts'
import { parseIdent } from '../../../package/ident.ts'
import type { Target as TargetName } from '../../../package/target.ts'
import { MAX_NAMED_RELEASES } from '../../../views/change-request.ts'
import { VIEW_RULES } from '../../../views/rule.ts'
import { REQUESTED_ACTS } from '../../../views/view.ts'
import { EARLIER_IDENT, IDENT, REVISION_ID, TARGET } from '../conventions/examples.ts'
import { IdempotencyHeaders } from '../conventions/idempotency.ts'
import {
  Ident,
  MOMENT_FORMS,
  Package,
  Revision,
  RevisionId,
  Target,
  ViewName,
  named,
  textOf,
} from '../conventions/shapes.ts'

// Shapes of requests that change a view, and of the effects of changes.

const MAX_REASON_LENGTH = 2_000

/** The problem codes of requests that describe a change. */
export const ERRORS_OF_CHANGES = [
  'conflict',
  'forbidden',
  'ident_malformed',
  'lockfile_malformed',
  'not_found',
  'not_member',
  'other_history',
  'refused',
  'release_differs',
  'signature_invalid',
  'signer_unknown',
] as const

export const Reason = z.string().min(1).max(MAX_REASON_LENGTH)

const Moment = z.union([z.int().min(0), z.string()]).describe(MOMENT_FORMS)

const RevisionOrId = z.union([
  Revision,
  z.string().regex(POSITION, 'must be a revision, or a revision_id such as 12-9c0f1b2a3d4e5f60'),
])

const IdentText = textOf(parseIdent).describe('origin/name/version/release')

/** A release in a body: an ident, or an object with its target. */
export const ReleaseInBody = z.union([
  IdentText.transform((ident): { ident: string; target?: TargetName | undefined } => ({ ident })),
  z.strictObject({ ident: IdentText, target: Target.optional() }),
])

const Releases = z
  .array(ReleaseInBody)
  .min(1)
  .max(MAX_NAMED_RELEASES)
  .describe(
    'All releases are changed, or none. A release without a target gets the target of the body; without that, x86_64-linux if the ident has it, or the only target of the ident',
  )

const ViewSource = z
  .strictObject({
    view: ViewName,
    at: Moment.optional(),
    origin: z.string().optional(),
    name: z.string().optional(),
  })
  .describe('the latest releases of another view, now or at the time at; origin and name restrict them')

const Lockfile = z
  .string()
  .max(MAX_LOCKFILE_BYTES)
  .describe('the text of a lockfile that a trusted key signed. Every release in it must be in the depot')

const Sources = {
  releases: Releases.optional(),
  target: Target.optional().describe('the target of the listed releases that have none of their own'),
  from: ViewSource.optional(),
  lockfile: Lockfile.optional(),
}

/** Fields that every change accepts. */
export const ChangeOptions = {
  reason: Reason.optional(),
  expect_revision: RevisionOrId.optional().describe(
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

export const PromotionBody = named('NewPromotion', z.strictObject({ ...Promotion, ...ChangeOptions }), {
  releases: [{ ident: IDENT, target: TARGET }],
  reason: 'build 4711',
  expect_revision: 11,
})
export const DemotionBody = named('NewDemotion', z.strictObject({ ...Sources, ...ChangeOptions }), {
  releases: [{ ident: IDENT, target: TARGET }],
  reason: 'does not start',
})

/** Fields that restrict a change to the packages of an origin or a name. */
export const PackageFilter = {
  origin: z.string().optional().describe('restricts the change to packages of this origin'),
  name: z.string().optional().describe('restricts the change to packages of this name'),
}

export const RollbackBody = named(
  'NewRollback',
  z.strictObject({ to: Moment, ...PackageFilter, ...ChangeOptions }),
  {
    to: 11,
    reason: 'does not start',
    expect_revision: 12,
  },
)
export const RevertBody = named(
  'NewRevert',
  z.strictObject({ revision: RevisionOrId, ...PackageFilter, ...ChangeOptions }),
  { revision: 12, reason: 'does not start' },
)

/** The body of a plan: a change of any kind. */
export const ChangeBody = z.strictObject({
  act: z.enum(REQUESTED_ACTS).default('promote'),
  ...Promotion,
  to: Moment.optional().describe('for a rollback: the revision or time to return to'),
  revision: RevisionOrId.optional().describe('for a revert: the revision to undo'),
  origin: z
    .string()
    .optional()
    .describe('for a rollback or revert: restricts the change to packages of this origin'),
  name: z
    .string()
    .optional()
    .describe('for a rollback or revert: restricts the change to packages of this name'),
  rule: z
    .enum(VIEW_RULES)
    .optional()
    .describe('for set-rule: the new rule. Only administrators can apply this change'),
})

export const PromotionHeaders = IdempotencyHeaders.extend({
  'if-match': z
    .string()
    .optional()
    .describe('the entity tag of the view, or a revision such as "12"; same as expect_revision'),
})

export const Source = z.union([
  z.object({ view: ViewName, revision: Revision }),
  z.object({ lockfile: z.string().describe('SHA-256 of the lockfile') }),
])

export const PointerMove = named(
  'PointerMove',
  z
    .object({ package: Package, target: Target, from: Ident.nullable(), to: Ident.nullable() })
    .describe('a move of latest from one release to another; null is no latest release'),
)

export const Step = z.object({
  ident: Ident,
  target: Target,
  change: z
    .enum(['added', 'moved', 'downgraded', 'joined', 'unchanged', 'removed'])
    .describe(
      'added: the release becomes latest, and there was none; moved: latest moves up to the release; downgraded: latest moves down to the release; joined: the release becomes a member, and latest stays; unchanged: the release was a member already; removed: the release leaves the view',
    ),
  from: Ident.nullable().describe('the previous latest release, if latest moves to this release'),
  dependency: z.boolean().describe('whether it was added as a dependency'),
})

/** The note on a change that moves `latest` down (decision 0001). */
export const DOWNGRADE_NOTE =
  'latest moves down: current Supervisors follow that only with --update-condition track-channel, and those of 2016 never do'

export const Notes = z.array(z.string()).describe('remarks, one sentence each')

const promotionShape = z.object({
  view: ViewName,
  revision: Revision.describe('the new revision, or the current one if nothing changed'),
  revision_id: RevisionId,
  changed: z.boolean(),
  rule: z.enum(VIEW_RULES).nullable().describe('the new rule, if changed'),
  releases: z.array(Step),
  pointers: z.array(PointerMove),
  overridden: z.array(z.string()).describe('the overridden rules'),
  notes: Notes,
})

const EXAMPLE: z.input<typeof promotionShape> = {
  view: 'acceptance',
  revision: 12,
  revision_id: REVISION_ID,
  changed: true,
  rule: null,
  releases: [{ ident: IDENT, target: TARGET, change: 'moved', from: EARLIER_IDENT, dependency: false }],
  pointers: [{ package: 'acme/app', target: TARGET, from: EARLIER_IDENT, to: IDENT }],
  overridden: [],
  notes: [],
}

export const PromotionAnswer = named('Promotion', promotionShape, EXAMPLE)

/** The example answer of a demotion, rollback or revert that undoes {@link EXAMPLE}. */
export const EXAMPLE_UNDO: z.input<typeof promotionShape> = {
  ...EXAMPLE,
  revision: 13,
  revision_id: '13-5db9f1494d5f250b',
  releases: [{ ident: IDENT, target: TARGET, change: 'removed', from: null, dependency: false }],
  pointers: [{ package: 'acme/app', target: TARGET, from: IDENT, to: EARLIER_IDENT }],
  notes: [DOWNGRADE_NOTE],
}
