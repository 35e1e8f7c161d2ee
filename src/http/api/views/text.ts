import type { z } from 'zod'
import { formatColumns } from '../../../text/columns.ts'
import { page, timeText, sections } from '../conventions/text.ts'
import { promotionText } from '../promotions/text.ts'
import type * as shapes from './shapes.ts'

export function viewsText({ views, next }: z.infer<typeof shapes.Views>): string {
  return page(
    ['VIEW', 'REVISION', 'RULE', 'MADE BY', 'MADE AT', 'UNGOVERNED'],
    views.map((view) => [
      view.name,
      String(view.revision),
      view.rule,
      view.maker,
      timeText(view.created_at),
      view.ungoverned.join(', '),
    ]),
    next,
  )
}

export function viewText(view: z.infer<typeof shapes.ViewDetail>): string {
  return formatColumns(
    [
      'VIEW',
      'REVISION',
      'RULE',
      'PACKAGES',
      'REVISED AT',
      'MADE BY',
      'MADE AT',
      'UNGOVERNED',
      ...(view.closed_at === null ? [] : ['CLOSED AT']),
    ],
    [
      [
        view.name,
        String(view.revision),
        view.rule,
        String(view.packages),
        timeText(view.revised_at),
        view.maker,
        timeText(view.created_at),
        view.ungoverned.join(', '),
        ...(view.closed_at === null ? [] : [timeText(view.closed_at)]),
      ],
    ],
  )
}

/** Formats the view and, if its rule was changed, the effect of the new rule. */
export function viewChangeText({ view, change }: z.infer<typeof shapes.ViewChange>): string {
  return sections(viewsText({ views: [view], next: null }), change === null ? '' : promotionText(change))
}
