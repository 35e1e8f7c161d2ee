import type { z } from 'zod'
import { sections } from '../conventions/text.ts'
import { stepsText } from '../promotions/text.ts'
import type * as shapes from './shapes.ts'

type View = z.infer<typeof shapes.StatePlan>['views'][number]

export function statePlanText({ plan, changed, views }: z.infer<typeof shapes.StatePlan>): string {
  return changed ? sections(...views.flatMap(viewSections), `plan ${plan}`) : 'nothing would change'
}

export function stateAnswerText({ changed, views, overridden }: z.infer<typeof shapes.StateAnswer>): string {
  if (!changed) return 'nothing has changed'
  return sections(
    ...views.flatMap(viewSections),
    overridden.map((detail) => `overridden: ${detail}`),
  )
}

function viewSections(view: View & { made_revision?: string | null }): (string | string[])[] {
  const { act, revision, rule, ungoverned, gates, made_revision: made = null } = view
  if (act === 'keep') return []
  const settings = Object.entries({ rule, ungoverned, gates }).flatMap(([name, change]) =>
    change === null ? [] : [`${name}: ${JSON.stringify(change.from)} → ${JSON.stringify(change.to)}`],
  )
  return [
    `${act} ${view.view}, at revision ${revision}${made === null ? '' : `, now ${made}`}`,
    settings,
    stepsText(view),
    made === null ? view.blocked.map((blocked) => `blocked by ${blocked.rule}: ${blocked.detail}`) : [],
    view.notes,
  ]
}
