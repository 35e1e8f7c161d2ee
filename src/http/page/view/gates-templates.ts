import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { View } from '../../../views/view.ts'
import { wireGateSettings } from '../../api/gates/wire.ts'
import type { Content } from '../html/layout.ts'
import { checkField, optionList, postForm, selectField, textField } from '../html/forms.ts'
import type { Form } from '../html/forms.ts'
import { MAX_NAMES_LENGTH, withQuery } from '../html/query.ts'
import { copyable, crumbs, viewLink, viewPath } from '../html/parts.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import type { Visit } from '../html/visit.ts'
import { formatSeconds } from './gates-form.ts'
import { isOutdated, readField } from './read-field.ts'
import { ruleSentences } from './sentences.ts'

type Settings = ReturnType<typeof wireGateSettings>

/** The fields for further requirements that an open form has. */
const SPARE_REQUIREMENTS = 2

/** The path of the form, and that of the API. */
export function gatesPath(view: string): string {
  return `${viewPath(view)}/gates`
}

/** The form for the gates of a view, which the page calls its rules, as the API does. */
export function gatesContent(
  visit: Visit,
  { view, views, mayOverride }: { view: View; views: readonly View[]; mayOverride: boolean },
): Content {
  const title = `Rules of ${view.name}`
  const settings = wireGateSettings(view.gates)
  return {
    title,
    section: 'pipeline',
    main: html`${crumbs([html`<a href="${visit.to('/')}">Pipeline</a>`, viewLink(visit, view.name)])}
<h1>${title}</h1>
<p class="lead">They hold from the next change on. What the view has stays.</p>
${postForm(
  visit,
  { path: gatesPath(view.name), className: 'stack change' },
  (
    form,
  ) => html`${readField(view.gates)}${isOutdated(form, view.gates) ? presentRules(visit, view) : null}${requirements(
    form,
    settings,
    views.filter(({ id }) => id !== view.id),
  )}
${whatMoves(form, settings)}
${whoChanges(form, settings)}
${
  mayOverride
    ? textField(form, {
        name: 'override',
        label: 'Reason for overriding the rules, if they forbid it',
        maxLength: 500,
        isProse: true,
      })
    : null
}
<div class="actions"><button class="primary">Replace the rules</button><a href="${visit.to(viewPath(view.name))}">Leave them</a></div>`,
)}
<details><summary>The rules now, as JSON</summary>${copyable(JSON.stringify(settings, null, 2))}</details>
${sameCommands([
  `hart-depot gates ${view.name} > gates.yaml`,
  `hart-depot gates ${view.name} --set gates.yaml`,
  curlCommand(visit, { method: 'PUT', path: gatesPath(view.name), body: settings }),
])}`,
  }
}

/** The present rules, for a person whose form was refused because somebody else has replaced the rules. */
function presentRules(visit: Visit, view: View): SafeHtml {
  const changes = withQuery('/activity', { view: view.name, kind: 'gates' })
  return html`<section class="notice warn" aria-label="The rules now"><p><b>The rules now</b> (<a href="${visit.to(changes)}">who changed them</a>). The fields below have what you typed, and would replace them.</p>
<ul>${ruleSentences(visit, { ...view, freezes: [] }).map((sentence) => html`<li>${sentence}</li>`)}</ul></section>`
}

/** The requirements of the view, or those that were sent, and some empty ones. */
function requirements(form: Form, { requires }: Settings, others: readonly View[]): SafeHtml[] {
  const sent = form.sent('requires_view').map((view, index) => ({
    view,
    as: form.sent('requires_as')[index] ?? 'member',
    soak: form.sent('requires_soak')[index] ?? '',
    phases: form.sent('requires_phases')[index] ?? '',
  }))
  const present = requires.map(({ view, as, soak_seconds: soak, phases }) => ({
    view,
    as,
    soak: soak === 0 ? '' : formatSeconds(soak),
    phases: phases.join(', '),
  }))
  const spare = Array.from({ length: SPARE_REQUIREMENTS }, () => ({ view: '', as: '', soak: '', phases: '' }))
  const names = others.map(({ name }) => [name, name] as const)
  return (sent.length > 0 ? sent : [...present, ...spare]).map(
    (
      { view, as, soak, phases },
      index,
    ) => html`<fieldset><legend>${index === 0 ? 'A release must be in' : 'And in'}</legend><div class="filters">
<label>View<select name="requires_view">${optionList([['', '—'], ...names], view)}</select></label>
<label>As<select name="requires_as">${optionList(
      [
        ['member', 'a member'],
        ['current', 'the latest'],
      ],
      as,
    )}</select></label>
<label>For at least<input name="requires_soak" value="${soak}" placeholder="2d" maxlength="12" /></label>
<label>Phases that passed there<input name="requires_phases" value="${phases}" placeholder="smoke, functional" maxlength="600" spellcheck="false" /></label>
</div></fieldset>`,
  )
}

function whatMoves(form: Form, { closure, downgrade, settle_seconds: settle }: Settings): SafeHtml {
  return html`<fieldset><legend>What moves</legend>
${selectField(form, {
  name: 'closure',
  label: 'Dependencies of a release',
  value: closure ?? '',
  options: [
    ['', 'are not checked'],
    ['depot', 'must be in the depot'],
    ['view', 'must be in this view'],
  ],
})}
${checkField(form, { name: 'downgrade', label: 'refuse promotions that lower a version', value: 'refuse', isChecked: downgrade !== null })}
${textField(form, { name: 'settle', label: 'A package rests after it moved, for', value: settle === null ? '' : formatSeconds(settle), maxLength: 12, placeholder: '3m' })}
</fieldset>`
}

function whoChanges(form: Form, { promoters, approval, overriders }: Settings): SafeHtml {
  return html`<fieldset><legend>Who changes the view</legend>
${accountsField(form, { name: 'promoters', label: 'Promoters', accounts: promoters, placeholder: 'maintainers of the packages' })}
${checkField(form, { name: 'approval', label: 'a second person must approve each change', isChecked: approval !== null })}
${accountsField(form, { name: 'approvers', label: 'Approvers', accounts: approval?.approvers, placeholder: 'anyone else who may promote' })}
${textField(form, { name: 'expires', label: 'A proposal expires after', value: approval === null ? '' : formatSeconds(approval.expires_seconds), maxLength: 12, placeholder: '7d' })}
${accountsField(form, { name: 'overriders', label: 'May override these rules, besides administrators', accounts: overriders })}
<p class="hint">Accounts, or groups as <code>group:NAME</code>, one a line. Times are written as 30s, 90m, 6h or 2d.</p>
</fieldset>`
}

function accountsField(
  form: Form,
  {
    accounts,
    ...field
  }: {
    name: string
    label: string
    accounts: readonly string[] | null | undefined
    placeholder?: string
  },
): SafeHtml {
  return textField(form, { ...field, value: accounts?.join('\n'), rows: 2, maxLength: MAX_NAMES_LENGTH })
}
