import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { passes } from '../../../access/rights.ts'
import { expectMayFreeze } from '../../../commands/views/freeze.ts'
import { isInForce } from '../../../views/freeze.ts'
import type { Freeze } from '../../../views/freeze.ts'
import { UNSTABLE } from '../../../views/view.ts'
import type { View } from '../../../views/view.ts'
import { expectMayChange } from '../../requests/rights.ts'
import { closedForm, postForm, textField } from '../html/forms.ts'
import type { Form } from '../html/forms.ts'
import { viewPath } from '../html/parts.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import type { Visit } from '../html/visit.ts'

/** Forms that freeze a view and end its own freezes, for those who may. */
export function freezeForms(visit: Visit, view: View): SafeHtml | null {
  const isFreezable = view.name !== UNSTABLE && view.preview === undefined
  if (!isFreezable || !mayFreeze(visit, view, { isOverriding: true })) return null
  const { name, freezes } = view
  const needsOverride = !mayFreeze(visit, view, { isOverriding: false })
  const own = freezes.filter((freeze) => !freeze.isOfAll && isInForce(freeze, visit.now))
  return html`${own.map((freeze) => thawForm(visit, name, { freeze, needsOverride }))}
${closedForm(
  visit,
  { path: `${viewPath(name)}/freeze`, label: `Freeze ${name}`, className: 'filters' },
  (
    form,
  ) => html`${textField(form, { name: 'reason', label: 'Reason', isRequired: true, maxLength: 500, isProse: true })}
${textField(form, { name: 'period', label: 'For, such as 6h or 2d', maxLength: 8, placeholder: 'until it is thawed' })}
${textField(form, { name: 'origin', label: 'Only the origin' })}
${textField(form, { name: 'name', label: 'Only the name' })}
${needsOverride ? overrideField(form) : null}<button class="danger">Freeze</button>`,
)}
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

function thawForm(
  visit: Visit,
  view: string,
  { freeze, needsOverride }: { freeze: Freeze; needsOverride: boolean },
): SafeHtml {
  const { origin, name } = freeze
  const what = origin === undefined && name === undefined ? view : `${origin ?? '*'}/${name ?? '*'}`
  return postForm(
    visit,
    {
      path: `${viewPath(view)}/thaw`,
      fields: { origin: origin ?? '', name: name ?? '' },
      className: 'filters',
    },
    (form) => html`${needsOverride ? overrideField(form) : null}<button>Thaw ${what}</button>`,
  )
}

function overrideField(form: Form): SafeHtml {
  return textField(form, {
    name: 'override',
    label: 'Reason for overriding the rules',
    isRequired: true,
    maxLength: 500,
    isProse: true,
  })
}

/** Makes the checks of the API. */
function mayFreeze(visit: Visit, view: View, { isOverriding }: { isOverriding: boolean }): boolean {
  return passes(() => {
    const caller = expectMayChange(visit, view, [])
    expectMayFreeze(view, caller, isOverriding ? { reason: 'to see the form' } : undefined)
  })
}
