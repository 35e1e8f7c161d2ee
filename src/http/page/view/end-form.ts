import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { expectAdministrator, passes } from '../../../access/rights.ts'
import { UNSTABLE } from '../../../views/view.ts'
import type { View } from '../../../views/view.ts'
import { expectMayChange, signedInAnyhow } from '../../requests/rights.ts'
import { closedForm } from '../html/forms.ts'
import { viewPath } from '../html/parts.ts'
import type { Visit } from '../html/visit.ts'

/** The form that ends a preview or closes a view, for those who may. */
export function endForm(visit: Visit, view: View): SafeHtml | null {
  const { name, preview, closedAt } = view
  if (closedAt !== undefined || name === UNSTABLE || !passes(() => expectMayEnd(visit, view))) return null
  const label = preview === undefined ? `Close ${name}…` : 'End this preview…'
  const effect =
    preview === undefined
      ? 'Only an empty view is closed: roll it back to revision 0 before. Its history stays readable.'
      : 'The view goes away. The plan that it shows stays.'
  return closedForm(
    visit,
    { path: `${viewPath(name)}/end`, label, isDanger: true },
    () => html`<p>${effect}</p><button class="danger">${preview === undefined ? 'Close' : 'End'}</button>`,
  )
}

/** Throws `unauthenticated` and `forbidden`. */
export function expectMayEnd(asking: Pick<Visit, 'caller'>, view: View): void {
  if (view.preview === undefined) expectAdministrator(signedInAnyhow(asking))
  else expectMayChange(asking, view, [])
}
