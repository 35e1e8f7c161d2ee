import type { View } from '../../../views/view.ts'
import { UNSTABLE } from '../../../views/view.ts'

/** The views that the pipeline shows side by side, and the others. */
export interface Columns {
  readonly shown: readonly View[]
  readonly others: readonly View[]
}

/** More columns than this are shown only if the URL names them. */
const USUAL_COLUMNS = 8

/**
 * Chooses the columns of the pipeline: the views that `names` lists, in that order, or by default `unstable`
 * and the views with the rule `promoted`, each after the views from which it requires releases. Previews and
 * views that Habitat clients made are not columns by default.
 */
export function chooseColumns(views: readonly View[], names: readonly string[]): Columns {
  const named = names.flatMap((name) => views.find((view) => view.name === name) ?? [])
  const shown = named.length > 0 ? [...new Set(named)] : usual(views)
  return { shown, others: views.filter((view) => !shown.includes(view)) }
}

function usual(views: readonly View[]): View[] {
  const stages = views.filter(
    ({ rule, maker, preview }) => rule === 'promoted' && maker !== 'client' && preview === undefined,
  )
  const ordered = [
    ...views.filter(({ name }) => name === UNSTABLE),
    ...inOrder(stages.filter(({ name }) => name !== UNSTABLE)),
  ]
  return ordered.slice(0, USUAL_COLUMNS)
}

/** Sorts views so that each follows those that it requires. Otherwise, the order stays. */
function inOrder(views: readonly View[]): View[] {
  const ordered = new Set<View>()
  const visiting = new Set<View>()
  const visit = (view: View) => {
    if (ordered.has(view) || visiting.has(view)) return
    visiting.add(view)
    for (const { view: name } of view.gates.requires ?? []) {
      const required = views.find((other) => other.name === name)
      if (required !== undefined) visit(required)
    }
    ordered.add(view)
  }
  for (const view of views) visit(view)
  return [...ordered]
}
