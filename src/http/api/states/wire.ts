import type { z } from 'zod'
import type { AppliedState } from '../../../commands/views/apply-state.ts'
import { formatPosition } from '../../../ledger/position.ts'
import type { Replacement, StatePlan, ViewPlan } from '../../../revisions/state-plan.ts'
import type { Gates } from '../../../views/view.ts'
import { wireGateSettings } from '../gates/wire.ts'
import { notesOn, wireStep } from '../promotions/wire.ts'
import type * as shapes from './shapes.ts'

export function wireStatePlan({ id, views }: StatePlan): z.infer<typeof shapes.StatePlan> {
  return { plan: id, changed: changesAnything(views), views: views.map(wireViewPlan) }
}

export function wireStateAnswer({
  plan: { views },
  promotions,
}: Exclude<AppliedState, { stale: StatePlan }>): z.infer<typeof shapes.StateAnswer> {
  const made = new Map(promotions.map((promotion) => [promotion.view, promotion]))
  return {
    changed: changesAnything(views),
    views: views.map((view) => {
      const { revision, hash } = made.get(view.view) ?? {}
      return {
        ...wireViewPlan(view),
        made_revision:
          revision === undefined || hash === undefined ? null : formatPosition(revision, { hash }),
      }
    }),
    overridden: views.flatMap(({ refusals }) => refusals.map(({ detail }) => detail)),
  }
}

function changesAnything(views: readonly ViewPlan[]): boolean {
  return views.some(({ act }) => act !== 'keep')
}

function wireViewPlan(view: ViewPlan): z.infer<typeof shapes.StatePlan>['views'][number] {
  const { rule, ungoverned, gates, refusals, releases, pointers } = view
  return {
    view: view.view,
    act: view.act,
    revision: view.revision,
    rule: wireReplacement(rule, (value) => value),
    ungoverned: wireReplacement(ungoverned, (origins) => [...origins]),
    gates: wireReplacement<Gates, ReturnType<typeof wireGateSettings>>(gates, wireGateSettings),
    releases: releases.map(wireStep),
    pointers: [...pointers],
    blocked: refusals.map(({ rule: name, detail, chain, pointer }) => ({
      rule: name,
      detail,
      ...(chain && { chain: [...chain] }),
      pointer,
    })),
    notes: notesOn(view),
  }
}

function wireReplacement<Value, Wire>(
  replacement: Replacement<Value> | undefined,
  wire: (value: Value) => Wire,
): { from: Wire | null; to: Wire } | null {
  if (replacement === undefined) return null
  const { from, to } = replacement
  return { from: from === undefined ? null : wire(from), to: wire(to) }
}
