import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { VIEW_RULES } from '../../../views/rule.ts'
import type { View } from '../../../views/view.ts'
import type { Content } from '../html/layout.ts'
import { checkField, postForm, selectField, textField } from '../html/forms.ts'
import type { Form } from '../html/forms.ts'
import { crumbs, viewLink } from '../html/parts.ts'
import { withQuery } from '../html/query.ts'
import { RULE_WORDS } from '../html/view-table.ts'
import type { Visit } from '../html/visit.ts'
import { maySetRule } from '../view/settings-templates.ts'
import { MAX_RELEASES_LENGTH } from './change-form.ts'
import type { ChangeForm } from './change-form.ts'

const TITLES: Readonly<Record<ChangeForm['act'], string>> = {
  promote: 'Promote into',
  demote: 'Demote from',
  rollback: 'Roll back',
  revert: 'Revert a change of',
  'set-rule': 'Change what is latest in',
}

/** The form for a change of a view. It leads to a plan, and changes nothing. */
export function changeFormContent(
  visit: Visit,
  { view, views, form }: { view: View; views: readonly View[]; form: ChangeForm },
): Content {
  return {
    title: `${TITLES[form.act]} ${view.name}`,
    section: 'pipeline',
    main: html`${crumbs([html`<a href="${visit.to('/')}">Pipeline</a>`, viewLink(visit, view.name)])}
<h1>${TITLES[form.act]} ${view.name}</h1>
<p class="lead">The next page shows exactly what would change, and what blocks it. Nothing changes before you apply that plan.</p>
${acts(visit, view, form)}
${postForm(
  visit,
  { path: '/plans', fields: { view: view.name, act: form.act }, className: 'stack change' },
  (sent) => html`${fieldsOf(sent, { view, views, form })}
${textField(sent, { name: 'reason', label: 'Reason', value: form.reason, maxLength: 500, placeholder: 'Why, for the people who read the history', isProse: true })}
<div class="actions"><button class="primary" name="how" value="plan">Show the plan</button></div>`,
)}`,
  }
}

function acts(visit: Visit, view: View, form: ChangeForm): SafeHtml {
  return html`<p>${Object.entries({
    promote: 'Promote',
    demote: 'Demote',
    rollback: 'Roll back',
    revert: 'Revert',
    ...(maySetRule(visit, view) && { 'set-rule': 'Change what is latest' }),
  }).map(
    ([act, label]) =>
      html`<a href="${visit.to(withQuery('/plans/new', { view: view.name, act }))}"${act === form.act ? html` aria-current="true"` : null}>${label}</a> `,
  )}</p>`
}

interface Shown {
  readonly view: View
  readonly views: readonly View[]
  readonly form: ChangeForm
}

function fieldsOf(sent: Form, shown: Shown): SafeHtml {
  const { view, form } = shown
  switch (form.act) {
    case 'promote':
    case 'demote':
      return sourceFields(sent, shown)
    case 'rollback':
      return html`${textField(sent, { name: 'to', label: 'To revision or date', value: form.to ?? String(Math.max(0, view.revision - 1)), isRequired: true, maxLength: 40 })}${onlyFields(sent, form)}`
    case 'revert':
      return html`${textField(sent, { name: 'revision', label: 'Revision to undo', value: form.revision ?? String(view.revision), isRequired: true, maxLength: 40 })}${onlyFields(sent, form)}`
    case 'set-rule':
      return ruleField(sent, shown)
    default:
      return form.act satisfies never
  }
}

function sourceFields(sent: Form, { view, views, form }: Shown): SafeHtml {
  const others = views.filter(({ id }) => id !== view.id || form.act === 'demote')
  return html`<fieldset><legend>Everything that is latest in a view</legend>
<div class="filters">
${selectField(sent, { name: 'from', label: 'View', value: form.from, options: [['', '—'], ...others.map(({ name }) => [name, name] as const)] })}
${textField(sent, { name: 'at', label: 'At a revision or date', value: form.at, maxLength: 40, placeholder: 'now' })}
${textField(sent, { name: 'origin', label: 'Only of the origin', value: form.origin })}
${textField(sent, { name: 'name', label: 'Only with the name', value: form.name })}
</div></fieldset>
<fieldset><legend>Or these releases</legend>
${textField(sent, { name: 'releases', label: 'Idents, one a line, each perhaps with a target', value: form.releases, maxLength: MAX_RELEASES_LENGTH, placeholder: 'acme/app/1.2.0/20260101000000', rows: 4 })}</fieldset>
${
  form.act === 'promote'
    ? checkField(sent, {
        name: 'with_deps',
        label: 'also everything that they need',
        isChecked: form.with_deps === '1',
      })
    : null
}`
}

/** The field for the new rule. At first, the rule that the view does not have is selected. */
function ruleField(sent: Form, { view, form }: Shown): SafeHtml {
  const options = VIEW_RULES.map((rule) => [rule, RULE_WORDS[rule]] as const)
  const other = VIEW_RULES.find((rule) => rule !== view.rule)
  return html`<p>The latest release of a package is ${RULE_WORDS[view.rule]}.</p>
${selectField(sent, { name: 'rule', label: 'From then on it is', value: form.rule ?? other, options })}`
}

function onlyFields(sent: Form, form: ChangeForm): SafeHtml {
  return html`<fieldset><legend>Only some packages</legend><div class="filters">
${textField(sent, { name: 'origin', label: 'Origin', value: form.origin })}
${textField(sent, { name: 'name', label: 'Name', value: form.name })}
</div></fieldset>`
}
