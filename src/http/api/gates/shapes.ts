import { z } from 'zod'
import { parsePhase } from '../../../views/phase.ts'
import { NEXT_WEEK, NOW } from '../conventions/examples.ts'
import { Time, ViewName, named, textOf } from '../conventions/shapes.ts'
import { ChangeOptions, PackageFilter, Reason } from '../promotions/shapes.ts'

// Shapes of the gates of views, and of freezes.

const MAX_ACCOUNTS = 1_000
const MAX_REQUIREMENTS = 10
const MAX_SOAK_SECONDS = 366 * 86_400
const MAX_REQUIRED_PHASES = 20
const MAX_SETTLE_SECONDS = 7 * 86_400
const MAX_PROPOSAL_SECONDS = 90 * 86_400

export const FreezeBody = named(
  'NewFreeze',
  z.strictObject({
    reason: Reason,
    until: Time.optional().describe('when the freeze ends'),
    ...PackageFilter,
    override: ChangeOptions.override,
  }),
  { reason: 'holidays', until: NEXT_WEEK },
)
export const ThawQuery = z.strictObject({
  ...PackageFilter,
  override: Reason.optional().describe('overrides the gates of the view for this reason, which is recorded'),
})

const Accounts = z.array(z.string()).min(1).max(MAX_ACCOUNTS)

const gates = z.strictObject({
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
          .max(MAX_SOAK_SECONDS)
          .default(0)
          .describe('how long the release must have been there without interruption'),
        phases: z
          .array(textOf(parsePhase))
          .max(MAX_REQUIRED_PHASES)
          .default([])
          .describe(
            'phases that must have passed in that view, or once for the change, for exactly this release, in a change to which it belongs. The last report of a phase counts',
          ),
      }),
    )
    .max(MAX_REQUIREMENTS)
    .default([])
    .describe('the views in which a promoted release must be'),
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
  settle_seconds: z
    .int()
    .min(1)
    .max(MAX_SETTLE_SECONDS)
    .nullable()
    .default(null)
    .describe(
      'after a move, latest of the package and target does not move again for this long, except by a rollback or a revert',
    ),
  promoters: Accounts.nullable()
    .default(null)
    .describe(
      'only these accounts, and people of groups (group:NAME), may change the view, regardless of their roles in origins',
    ),
  approval: z
    .strictObject({
      approvers: Accounts.nullable()
        .default(null)
        .describe('null for every account that may change the view'),
      expires_seconds: z
        .int()
        .min(60)
        .max(MAX_PROPOSAL_SECONDS)
        .default(7 * 86_400),
    })
    .nullable()
    .default(null)
    .describe('changes become proposals that a second person must approve'),
  overriders: Accounts.nullable()
    .default(null)
    .describe('accounts that may override rules, in addition to administrators'),
})

const EXAMPLE: z.input<typeof gates> = {
  requires: [{ view: 'union', as: 'current', soak_seconds: 3_600, phases: ['smoke', 'functional'] }],
  closure: 'depot',
  downgrade: 'refuse',
  settle_seconds: 180,
  promoters: ['ci', 'jane'],
  approval: { approvers: ['jane'], expires_seconds: 86_400 },
  overriders: null,
}

/** The headers of a request that replaces the gates of a view. */
export const GatesHeaders = z.looseObject({
  'if-match': z
    .string()
    .regex(/^(\*|(W\/)?"[0-9a-f]{32}(-[^"]*)?")$/, 'must be the entity tag of the rules of the view')
    .optional()
    .describe('the entity tag of the rules: answers 412 if other rules have been set since'),
})

export const GatesBody = named('NewGates', gates.extend({ override: ChangeOptions.override }), EXAMPLE)

/** The gates in the description of a view. */
export const DesiredGates = named('DesiredGates', gates)

/** Gates in answers that show nothing else of the view. */
export const GateSettings = named('GateSettings', gates)

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
    .describe('blocks changes of all packages, or only of the packages with this origin, this name, or both'),
)

export const Frozen = z
  .object({ reason: z.string(), until: Time.nullable(), by: z.string(), since: Time })
  .describe('all changes are blocked')

export const GatesShape = named(
  'Gates',
  gates.extend({
    view: ViewName,
    frozen: Frozen.nullable(),
    freezes: z.array(FreezeShape).describe('the freezes of the view in force now that the caller may see'),
  }),
  {
    view: 'rehearsal',
    ...EXAMPLE,
    frozen: null,
    freezes: [],
  },
)

export const Freezes = named(
  'Freezes',
  z
    .object({ freezes: z.array(FreezeShape) })
    .describe('the freezes of all views in force now that the caller may see'),
  {
    freezes: [
      {
        view: null,
        origin: null,
        name: null,
        reason: 'holidays',
        until: NEXT_WEEK,
        by: 'jane',
        since: NOW,
      },
    ],
  },
)
