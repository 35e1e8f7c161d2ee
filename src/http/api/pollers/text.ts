import type { z } from 'zod'
import { formatColumns } from '../../../text/columns.ts'
import { sections, timeText } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

export function pollersText(answer: z.infer<typeof shapes.PollersAnswer>): string {
  const { counting, lines, incomplete, absent_views, absent_packages, refused_addresses } = answer
  const rows = lines.map(({ view, package: of, target, pollers, up_to_date: upToDate }) => [
    view,
    of,
    target,
    `about ${pollers}`,
    upToDate === null ? '' : `about ${upToDate}`,
  ])
  const troubles = [
    ...absent_views.map(({ view, ...counted }) => [`the view ${view} does not exist`, counted] as const),
    ...absent_packages.map(
      ({ view, package: of, ...counted }) => [`${of} is not in ${view}`, counted] as const,
    ),
    ...refused_addresses.map(
      ({ address, ...counted }) => [`no valid token from ${address}`, counted] as const,
    ),
  ]
  return sections(
    counting
      ? formatColumns(['VIEW', 'PACKAGE', 'TARGET', 'POLLERS', 'UP TO DATE'], rows)
      : 'Pollers are not counted.',
    incomplete ? ['There are too many packages to count all of them.'] : [],
    troubles.length === 0
      ? []
      : [
          formatColumns(
            ['FAILED POLLS', 'COUNT', 'LAST'],
            troubles.map(([what, { polls, last_at }]) => [what, String(polls), timeText(last_at)]),
          ),
        ],
  )
}
