import { z } from 'zod'
import { MAX_KEPT_LAST, MAX_PERIOD_MS, MAX_VIEWS_OF_RULE } from '../../../views/retention-rule.ts'
import { CHECKSUM, EARLIER_IDENT, LATER, NEXT_WEEK, NOW, TARGET, YESTERDAY } from '../conventions/examples.ts'
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
import { Reason } from '../promotions/shapes.ts'

const Seconds = z
  .int()
  .min(1)
  .max(MAX_PERIOD_MS / 1_000)

export const RuleBody = named(
  'RetentionRule',
  z.strictObject({
    keep_all: z
      .literal(true)
      .optional()
      .describe(
        'everything stays: exempts a package from the rule of its origin, or an origin from that of the depot',
      ),
    keep_last: z
      .int()
      .min(1)
      .max(MAX_KEPT_LAST)
      .optional()
      .describe(
        'how many releases of each package and target stay, the highest versions that are not yanked; 1 without it',
      ),
    newer_than_seconds: Seconds.optional().describe(
      'releases published, or members that joined, within this time stay',
    ),
    promoted_to: z
      .array(ViewName)
      .min(1)
      .max(MAX_VIEWS_OF_RULE)
      .optional()
      .describe('releases that were ever in one of these views stay'),
    history_seconds: Seconds.optional().describe(
      'for views: how long releases stay after they left the view, so that it can be rolled back; 30 days without it',
    ),
  }),
  { keep_last: 5, newer_than_seconds: 2_592_000, promoted_to: ['delivered'] },
)

const SCOPE = {
  origin: z.string().nullable(),
  package: Package.nullable(),
  view: ViewName.nullable(),
}

const RULE = {
  origin: 'acme',
  package: null,
  view: null,
  rule: { keep_last: 5 },
  text: 'the last 5',
  by: 'admin',
  since: YESTERDAY,
  applies_after: NOW,
}

export const ScopedRule = named(
  'ScopedRetentionRule',
  z
    .object({
      ...SCOPE,
      rule: RuleBody,
      text: z.string().describe('the rule in words'),
      by: z.string().nullable().describe('the account; null for the shell of the depot'),
      since: Time,
      applies_after: Time.describe('when the depot begins to apply the rule by itself'),
    })
    .describe('without an origin, a package and a view, it is the rule of the depot'),
  RULE,
)
export const Rules = named('RetentionRules', z.object({ rules: z.array(ScopedRule) }), { rules: [RULE] })

export const OriginPath = z.object({ origin: z.string() })
export const PackagePath = z.object({ origin: z.string(), name: z.string() })

export const VerdictsQuery = PageQuery.extend({
  origin: z.string().optional().describe('only releases of this origin'),
  name: z.string().optional().describe('only releases of this package of the origin'),
  only: z.enum(['going', 'staying']).optional().describe('only releases that go, or only those that stay'),
})

const Verdict = z.object({
  ident: Ident,
  target: Target,
  size_bytes: z.int(),
  published_at: Time,
  goes: z.boolean(),
  freed_bytes: z
    .int()
    .describe('the bytes that come free; 0 if it stays or another release has the same bytes'),
  reasons: z
    .array(
      z.object({
        kind: z.enum([
          'no-rule',
          'young',
          'keep-all',
          'last',
          'newer',
          'promoted',
          'hold',
          'view',
          'history',
          'pin',
          'lockfile',
          'proposal',
          'change',
          'dependency',
        ]),
        detail: z.string(),
      }),
    )
    .describe('why it stays; empty if it goes'),
  detail: z.string().describe('why it stays or goes, in a sentence that begins with the ident'),
})

export const Verdicts = named(
  'RetentionVerdicts',
  z.object({
    verdicts: z.array(Verdict).describe('those packages first that were published last'),
    freed_bytes: z.int().describe('the bytes that come free on this page'),
    next: Next,
  }),
  {
    verdicts: [
      {
        ident: EARLIER_IDENT,
        target: TARGET,
        size_bytes: 1_048_576,
        published_at: YESTERDAY,
        goes: true,
        freed_bytes: 1_048_576,
        reasons: [],
        detail: `${EARLIER_IDENT} is beyond the rule of origin acme (the last 5), and nothing needs it`,
      },
    ],
    freed_bytes: 1_048_576,
    next: null,
  },
)

export const RunBody = named(
  'NewRetentionRun',
  z.strictObject({
    origin: z.string().optional().describe('only releases of this origin'),
    name: z.string().optional().describe('only releases of this package of the origin'),
    cursor: z.string().optional().describe('opaque; taken from the previous part'),
  }),
  { origin: 'acme' },
)

export const Run = named(
  'RetentionRun',
  z.object({
    removed: z.array(z.object({ ident: Ident, target: Target, freed_bytes: z.int() })),
    freed_bytes: z.int(),
    cursor: z
      .string()
      .nullable()
      .describe(
        'for the next part; null at the end. If a run removed something, begin again: more may go then',
      ),
  }),
  {
    removed: [{ ident: EARLIER_IDENT, target: TARGET, freed_bytes: 1_048_576 }],
    freed_bytes: 1_048_576,
    cursor: null,
  },
)

export const Quarantine = named(
  'Quarantine',
  z.object({
    releases: z
      .array(z.object({ ident: Ident, target: Target, size_bytes: z.int(), removed_at: Time, until: Time }))
      .describe('those first that were removed first'),
    next: Next,
  }),
  {
    releases: [
      { ident: EARLIER_IDENT, target: TARGET, size_bytes: 1_048_576, removed_at: NOW, until: NEXT_WEEK },
    ],
    next: null,
  },
)

export const Returned = named('ReturnedRelease', z.object({ ident: Ident, target: Target }), {
  ident: EARLIER_IDENT,
  target: TARGET,
})

export const PinPath = z.object({ view: z.string(), revision: z.coerce.number().int().min(0) })
export const PinBody = named('NewPin', z.strictObject({ reason: Reason }), {
  reason: 'the release of the fair',
})

const PinShape = z.object({
  view: ViewName,
  revision: Revision,
  reason: z.string(),
  by: z.string().nullable(),
  since: Time,
})
const PIN = { view: 'delivered', revision: 41, reason: 'the release of the fair', by: 'jane', since: NOW }
export const Pins = named('Pins', z.object({ pins: z.array(PinShape) }), { pins: [PIN] })
export const Pinned = named(
  'PinnedRevision',
  PinShape.extend({
    changed: z.boolean(),
    deleted: z.int().describe('how many releases of the revision are gone already'),
  }),
  { ...PIN, changed: true, deleted: 0 },
)

export const LockfilePath = z.object({ name: z.string() })
const LockfileShape = z.object({
  name: z.string(),
  digest: z.string().describe('SHA-256 of the text'),
  view: ViewName.describe('the view in the lockfile, perhaps of another depot'),
  revision: Revision,
  releases: z.int().describe('how many releases it keeps'),
  by: z.string().nullable(),
  since: Time,
})
const LOCKFILE = {
  name: 'fair',
  digest: CHECKSUM,
  view: 'delivered',
  revision: 41,
  releases: 812,
  by: 'jane',
  since: LATER,
}
export const RegisteredLockfile = named('RegisteredLockfile', LockfileShape, LOCKFILE)
export const RegisteredLockfiles = named(
  'RegisteredLockfiles',
  z.object({ lockfiles: z.array(RegisteredLockfile) }),
  { lockfiles: [LOCKFILE] },
)
