import type { z } from 'zod'
import { formatPosition } from '../../../ledger/position.ts'
import type { DescribedStep } from '../../../views/plan.ts'
import type { PromotionOutcome } from '../../../commands/views/make-revision.ts'
import { expiryOf } from '../../../revisions/stored-plan.ts'
import type { StoredPlan } from '../../../revisions/stored-plan.ts'
import { lasts } from '../../../views/freeze.ts'
import type { ViewFreeze } from '../../../views/freeze.ts'
import type { Gates, View } from '../../../views/view.ts'
import type * as shapes from './shapes.ts'
import { wireFreeze, wireFrozen, wireTime } from '../conventions/wire.ts'

/** A note for every downgrade (decision 0001). */
const DOWNGRADE =
  'latest moves down: current Supervisors follow that only with --update-condition track-channel, and those of 2016 never do'

export function wirePromotion(outcome: PromotionOutcome): z.infer<typeof shapes.PromotionAnswer> {
  return {
    view: outcome.view,
    revision: outcome.revision,
    revision_id:
      outcome.hash === undefined
        ? String(outcome.revision)
        : formatPosition(outcome.revision, { hash: outcome.hash }),
    changed: outcome.isChanged,
    rule: outcome.rule ?? null,
    releases: outcome.releases.map(wireStep),
    pointers: [...outcome.pointers],
    overridden: [...outcome.overridden],
    notes: notesOn(outcome.releases),
  }
}

export function wirePlan(plan: StoredPlan, now: number): z.infer<typeof shapes.Plan> {
  const { effect, end } = plan
  const expiresAt = expiryOf(plan, now)
  return {
    plan: plan.token,
    kind: plan.kind,
    state: end?.how ?? (expiresAt <= now ? 'expired' : 'open'),
    view: plan.view,
    act: effect.act,
    revision: effect.revision,
    source: effect.source ?? null,
    of: effect.of ?? null,
    rule: effect.rule ?? null,
    account: plan.account ?? null,
    reason: plan.request.reason ?? null,
    created_at: wireTime(plan.createdAt),
    expires_at: wireTime(expiresAt),
    ended_at: wireTime(end?.at),
    decided_by: end?.by ?? null,
    made_revision: end?.revision ?? null,
    releases: effect.releases.map(wireStep),
    pointers: [...effect.pointers],
    blocked: effect.refusals.map(({ rule, detail, chain }) => ({
      rule,
      detail,
      ...(chain && { chain: [...chain] }),
    })),
    missing: effect.missing.map(({ chain, ...missing }) => ({ ...missing, chain: [...chain] })),
    notes: notesOn(effect.releases),
  }
}

/** Includes the freezes that the caller may see. */
export function wireGates(
  { name, gates }: View,
  { freezes, now }: { freezes: readonly ViewFreeze[]; now: number },
): z.infer<typeof shapes.GatesShape> {
  const { requires = [], closure = null, downgrade = null, promoters, approval, overriders } = gates
  return {
    view: name,
    requires: requires.map(({ view, as, soakMs = 0 }) => ({ view, as, soak_seconds: soakMs / 1_000 })),
    closure,
    downgrade,
    promoters: promoters === undefined ? null : [...promoters],
    approval:
      approval === undefined
        ? null
        : {
            approvers: approval.approvers === undefined ? null : [...approval.approvers],
            expires_seconds: approval.expiresMs / 1_000,
          },
    overriders: overriders === undefined ? null : [...overriders],
    frozen: wireFrozen(freezes, now),
    freezes: freezes
      .filter((freeze) => lasts(freeze, now))
      .map((freeze) => wireFreeze(freeze, freeze.isOfAll ? null : name)),
  }
}

/** Converts the JSON of a request to gates. */
export function gatesOf(body: z.infer<typeof shapes.GatesBody>): Gates {
  const { requires, closure, downgrade, promoters, approval, overriders } = body
  return {
    ...(requires.length > 0 && {
      requires: requires.map(({ view, as, soak_seconds }) => ({
        view,
        as,
        ...(soak_seconds > 0 && { soakMs: soak_seconds * 1_000 }),
      })),
    }),
    ...(closure !== null && { closure }),
    ...(downgrade !== null && { downgrade }),
    ...(promoters !== null && { promoters }),
    ...(approval !== null && {
      approval: {
        expiresMs: approval.expires_seconds * 1_000,
        ...(approval.approvers !== null && { approvers: approval.approvers }),
      },
    }),
    ...(overriders !== null && { overriders }),
  }
}

function wireStep({ ident, target, change, from, isDependency }: DescribedStep) {
  return { ident, target, change, from: from ?? null, dependency: isDependency === true }
}

function notesOn(releases: readonly DescribedStep[]): string[] {
  return releases.some(({ change }) => change === 'downgraded') ? [DOWNGRADE] : []
}
