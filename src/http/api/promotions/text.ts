import type { z } from 'zod'
import { formatColumns } from '../../../text/columns.ts'
import type * as shapes from './shapes.ts'
import { page, seconds, versionOf, viewsText } from '../conventions/text.ts'
import { releaseKey } from '../../../package/ident.ts'

// Formats changes, plans and rules as aligned columns.

export function promotionText(promotion: z.infer<typeof shapes.PromotionAnswer>): string {
  const { view, revision, changed, rule } = promotion
  const head = changed
    ? `${view} is at revision ${revision}${rule === null ? '' : `, under the rule ${rule}`}`
    : `${view} is unchanged, at revision ${revision}`
  return sections(
    head,
    stepsText(promotion),
    promotion.overridden.map((detail) => `overridden: ${detail}`),
    promotion.notes,
  )
}

/** Formats the view and, if its rule was changed, the effect of that. */
export function viewChangeText({ view, change }: z.infer<typeof shapes.ViewAnswer>): string {
  return sections(viewsText({ views: [view], next: null }), change === null ? '' : promotionText(change))
}

export function planText(plan: z.infer<typeof shapes.Plan>): string {
  const of = plan.of === null ? '' : ` of revision ${plan.of}`
  const head = `${plan.kind} ${plan.plan}, ${plan.state}: ${plan.act}${of}${plan.rule === null ? '' : ` ${plan.rule}`}, ${plan.view} at revision ${plan.revision}`
  const who = [
    plan.account === null ? '' : `by ${plan.account}`,
    plan.reason ?? '',
    plan.state === 'open' ? `until ${seconds(plan.expires_at)}` : '',
  ]
    .filter((part) => part !== '')
    .join(', ')
  const end =
    plan.ended_at === null
      ? ''
      : `${plan.state} ${seconds(plan.ended_at)}${plan.decided_by === null ? '' : ` by ${plan.decided_by}`}${plan.made_revision === null ? '' : `, revision ${plan.made_revision}`}`
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
    seconds(plan.created_at),
    seconds(plan.expires_at),
    plan.decided_by ?? '',
    plan.reason ?? '',
  ])
  return page(
    ['PROPOSAL', 'STATE', 'ACT', 'MOVES', 'BY', 'MADE', 'EXPIRES', 'DECIDED BY', 'REASON'],
    rows,
    next,
  )
}

export function gatesText(gates: z.infer<typeof shapes.GatesShape>): string {
  const { requires, closure, downgrade, promoters, approval, overriders, freezes } = gates
  const rows = [
    ...requires.map(({ view, as, soak_seconds }) => [
      'requires',
      `${as === 'member' ? 'in' : 'current in'} ${view}${soak_seconds === 0 ? '' : ` for ${soak_seconds} s`}`,
    ]),
    ['closure', closure === null ? '' : `in the ${closure}`],
    ['downgrade', downgrade ?? ''],
    ['promoters', promoters?.join(', ') ?? ''],
    [
      'approval',
      approval === null
        ? ''
        : `by ${approval.approvers?.join(', ') ?? 'a second person'}, within ${approval.expires_seconds} s`,
    ],
    ['overriders', overriders?.join(', ') ?? ''],
    ...(freezes.length === 0 ? [['frozen', '']] : freezes.map((freeze) => ['frozen', freezeText(freeze)])),
  ]
  return `${gates.view}\n\n${formatColumns(['RULE', 'SAYS'], rows)}`
}

export function freezesText({ freezes }: z.infer<typeof shapes.Freezes>): string {
  return formatColumns(
    ['EVERY VIEW IS FROZEN'],
    freezes.map((freeze) => [freezeText(freeze)]),
  )
}

function freezeText({
  view,
  origin,
  name,
  until,
  by,
  reason,
}: z.infer<typeof shapes.Freezes>['freezes'][number]): string {
  const what = origin === null && name === null ? [] : [`${origin ?? '*'}/${name ?? '*'}`]
  return `${[...what, ...(view === null ? ['in every view'] : []), ...(until === null ? [] : [`until ${seconds(until)}`])].map((part) => `${part} `).join('')}by ${by}: ${reason}`
}

function stepsText({
  releases,
  pointers,
}: Pick<z.infer<typeof shapes.Plan>, 'releases' | 'pointers'>): string[] {
  // Pointers that move only because a release left are not steps of a release.
  const stepped = new Set(
    releases.filter(({ change }) => ['added', 'moved', 'downgraded'].includes(change)).map(releaseKey),
  )
  const rows = [
    ...releases.map(({ ident, target, change, from, dependency }) => [
      change,
      ident,
      target,
      versionOf(from),
      dependency ? 'dependency' : '',
    ]),
    ...pointers
      .filter(({ to, target }) => !stepped.has(`${to} ${target}`))
      .map((move) => [
        'latest',
        move.to ?? `${move.package} has none`,
        move.target,
        versionOf(move.from),
        '',
      ]),
  ]
  return rows.length === 0 ? [] : [formatColumns(['CHANGE', 'RELEASE', 'TARGET', 'FROM', 'WHY'], rows)]
}

function sections(...parts: readonly (string | readonly string[])[]): string {
  return parts
    .map((part) => (typeof part === 'string' ? part : part.join('\n')))
    .filter((part) => part !== '')
    .join('\n\n')
}
