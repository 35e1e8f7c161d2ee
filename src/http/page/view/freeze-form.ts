import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { isInForce } from '../../../views/freeze.ts'
import type { View } from '../../../views/view.ts'
import { formToken, viewPath } from '../html/parts.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import type { Visit } from '../html/visit.ts'

/**
 * Forms that freeze a view and end its own freezes, for those who are signed in. The writer checks their
 * rights.
 */
export function freezeForms(visit: Visit, { name, freezes }: View): SafeHtml | null {
  if (visit.caller === undefined) return null
  const path = visit.to(viewPath(name))
  const own = freezes.filter((freeze) => !freeze.isOfAll && isInForce(freeze, visit.now))
  return html`${own.map(
    ({ origin, name: packageName }) => html`<form method="post" action="${path}/thaw" class="actions">
${formToken(visit)}<input type="hidden" name="origin" value="${origin ?? ''}" /><input type="hidden" name="name" value="${packageName ?? ''}" />
<button>Thaw ${origin === undefined && packageName === undefined ? name : `${origin ?? '*'}/${packageName ?? '*'}`}</button></form>`,
  )}
<details><summary>Freeze ${name}</summary>
<form method="post" action="${path}/freeze" class="filters">${formToken(visit)}
<label>Reason<input name="reason" required maxlength="500" /></label>
<label>For, such as 6h or 2d<input name="period" maxlength="8" placeholder="until it is thawed" /></label>
<label>Only the origin<input name="origin" maxlength="255" spellcheck="false" /></label>
<label>Only the name<input name="name" maxlength="255" spellcheck="false" /></label>
<button class="danger">Freeze</button></form></details>
${sameCommands([
  `hart-depot freeze ${name} --reason 'end of the year' --until 6h`,
  curlCommand(visit, {
    method: 'PUT',
    path: `${viewPath(name)}/freeze`,
    body: { reason: 'end of the year' },
  }),
  `hart-depot thaw ${name}`,
  curlCommand(visit, { method: 'DELETE', path: `${viewPath(name)}/freeze` }),
])}`
}
