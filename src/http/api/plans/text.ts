import type { z } from 'zod'
import { page, timeText, sections } from '../conventions/text.ts'
import { stepsText } from '../promotions/text.ts'
import type * as shapes from './shapes.ts'

export function planText(plan: z.infer<typeof shapes.Plan>): string {
  const of = plan.of === null ? '' : ` of revision ${plan.of}`
  const head = `${plan.kind} ${plan.plan}, ${plan.state}: ${plan.act}${of}${plan.rule === null ? '' : ` ${plan.rule}`}, ${plan.view} at revision ${plan.revision}`
  const who = [
    plan.account === null ? '' : `by ${plan.account}`,
    plan.reason ?? '',
    plan.state === 'open' ? `until ${timeText(plan.expires_at)}` : '',
  ]
    .filter((part) => part !== '')
    .join(', ')
  const end =
    plan.ended_at === null
      ? ''
      : `${plan.state} ${timeText(plan.ended_at)}${plan.decided_by === null ? '' : ` by ${plan.decided_by}`}${plan.made_revision === null ? '' : `, revision ${plan.made_revision}`}`
  const blocked = plan.blocked.map(({ rule, detail }) => `blocked by ${rule}: ${detail}`)
  const missing = plan.missing.map(({ chain, target }) => `missing: ${chain.join(' → ')} (${target})`)
  return sections(
    [head, who, end].filter((line) => line !== '').join('\n'),
    stepsText(plan),
    blocked,
    missing,
    plan.notes,
  )
}

export function proposalsText({ proposals, next }: z.infer<typeof shapes.Proposals>): string {
  const rows = proposals.map((plan) => [
    plan.plan,
    plan.state,
    plan.act,
    String(plan.pointers.length),
    plan.account ?? '',
    timeText(plan.created_at),
    timeText(plan.expires_at),
    plan.decided_by ?? '',
    plan.reason ?? '',
  ])
  return page(
    ['PROPOSAL', 'STATE', 'ACT', 'MOVES', 'BY', 'MADE', 'EXPIRES', 'DECIDED BY', 'REASON'],
    rows,
    next,
  )
}
