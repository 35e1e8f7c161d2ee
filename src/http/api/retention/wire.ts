import type { z } from 'zod'
import { releaseKey } from '../../../package/ident.ts'
import { describeRule, SETTLED_AFTER_MS } from '../../../views/retention-rule.ts'
import type { RetentionRule, RuleScope } from '../../../views/retention-rule.ts'
import { formatIdent } from '../../../package/ident.ts'
import { describeGoing, describeReason } from '../../../retention/describe.ts'
import type { Reason, Verdict } from '../../../retention/judge.ts'
import type { Pin } from '../../../retention/pin-store.ts'
import type { Quarantined } from '../../../retention/quarantine-store.ts'
import type { RegisteredLockfile } from '../../../retention/registered-store.ts'
import type { StoredRule } from '../../../retention/rule-store.ts'
import { wireTime } from '../conventions/wire.ts'
import type * as shapes from './shapes.ts'

/** Converts a rule from a request. */
export function ruleFromBody(body: z.infer<typeof shapes.RuleBody>): RetentionRule {
  const { keep_all, keep_last, newer_than_seconds, promoted_to, history_seconds } = body
  return {
    ...(keep_all !== undefined && { keepAll: keep_all }),
    ...(keep_last !== undefined && { keepLast: keep_last }),
    ...(newer_than_seconds !== undefined && { newerThanMs: newer_than_seconds * 1_000 }),
    ...(promoted_to !== undefined && { promotedTo: promoted_to }),
    ...(history_seconds !== undefined && { historyMs: history_seconds * 1_000 }),
  }
}

export function wireRule({ scope, rule, by, since }: StoredRule): z.infer<typeof shapes.ScopedRule> {
  const { keepAll, keepLast, newerThanMs, promotedTo, historyMs } = rule
  return {
    ...wireScope(scope),
    rule: {
      ...(keepAll !== undefined && { keep_all: keepAll }),
      ...(keepLast !== undefined && { keep_last: keepLast }),
      ...(newerThanMs !== undefined && { newer_than_seconds: newerThanMs / 1_000 }),
      ...(promotedTo !== undefined && { promoted_to: [...promotedTo] }),
      ...(historyMs !== undefined && { history_seconds: historyMs / 1_000 }),
    },
    text: describeRule(rule),
    by: by ?? null,
    since: wireTime(since),
    applies_after: wireTime(since + SETTLED_AFTER_MS),
  }
}

function wireScope(scope: RuleScope): { origin: string | null; package: string | null; view: string | null } {
  return {
    origin: scope.of === 'origin' ? scope.origin : null,
    package: scope.of === 'package' ? scope.package : null,
    view: scope.of === 'view' ? scope.view : null,
  }
}

/** Converts a verdict. `hidden` has the releases, as `ident target`, that the caller may not see. */
export function wireVerdict(
  { release, rule, reasons, freedBytes }: Verdict,
  hidden: ReadonlySet<string>,
): z.infer<typeof shapes.Verdicts>['verdicts'][number] {
  const ident = formatIdent(release.ident)
  const described = reasons.map((reason) => ({ kind: reason.kind, detail: describeTo(reason, hidden) }))
  const why =
    described.length === 0 ? describeGoing(rule) : described.map(({ detail }) => detail).join(', and ')
  return {
    ident,
    target: release.target,
    size_bytes: release.sizeBytes,
    published_at: wireTime(release.createdAt),
    goes: reasons.length === 0,
    freed_bytes: freedBytes,
    reasons: described,
    detail: `${ident} ${why}`,
  }
}

function describeTo(reason: Reason, hidden: ReadonlySet<string>): string {
  return reason.kind === 'dependency' && hidden.has(releaseKey(reason.by))
    ? 'is needed by a release that you may not see'
    : describeReason(reason)
}

export function wireQuarantined({
  ident,
  target,
  sizeBytes,
  removedAt,
  until,
}: Quarantined): z.infer<typeof shapes.Quarantine>['releases'][number] {
  return {
    ident,
    target,
    size_bytes: sizeBytes,
    removed_at: wireTime(removedAt),
    until: wireTime(until),
  }
}

export function wirePin({ by, since, ...pin }: Pin): z.infer<typeof shapes.Pins>['pins'][number] {
  return { ...pin, by: by ?? null, since: wireTime(since) }
}

export function wireLockfile({
  name,
  digest,
  view,
  revision,
  releases,
  by,
  since,
}: RegisteredLockfile): z.infer<typeof shapes.RegisteredLockfile> {
  return { name, digest, view, revision, releases, by: by ?? null, since: wireTime(since) }
}
