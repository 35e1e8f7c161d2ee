import type { z } from 'zod'
import { formatColumns } from '../../../text/columns.ts'
import { timeText } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

export function gatesText(gates: z.infer<typeof shapes.GatesShape>): string {
  const { requires, closure, downgrade, settle_seconds, promoters, approval, overriders, freezes } = gates
  const rows = [
    ...requires.map(({ view, as, soak_seconds, phases }) => [
      'requires',
      [
        `${as === 'member' ? 'in' : 'current in'} ${view}`,
        ...(soak_seconds === 0 ? [] : [`for ${soak_seconds} s`]),
        ...(phases.length === 0 ? [] : [`with ${phases.join(', ')} passed`]),
      ].join(' '),
    ]),
    ['closure', closure === null ? '' : `in the ${closure}`],
    ['downgrade', downgrade ?? ''],
    ['settle', settle_seconds === null ? '' : `for ${settle_seconds} s`],
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
  return `${gates.view}\n\n${formatColumns(['RULE', 'VALUE'], rows)}`
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
  return `${[...what, ...(view === null ? ['in every view'] : []), ...(until === null ? [] : [`until ${timeText(until)}`])].map((part) => `${part} `).join('')}by ${by}: ${reason}`
}
