import type { z } from 'zod'
import { expiryOf } from '../../../revisions/stored-plan.ts'
import type { StoredPlan } from '../../../revisions/stored-plan.ts'
import { wireTime } from '../conventions/wire.ts'
import { notesOn, wireStep } from '../promotions/wire.ts'
import type * as shapes from './shapes.ts'

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
    notes: notesOn(effect),
  }
}
