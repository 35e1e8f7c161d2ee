import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { View } from '../../../views/view.ts'
import type { Content } from '../html/layout.ts'
import { crumbs, formToken, viewLink } from '../html/parts.ts'
import { withQuery } from '../html/query.ts'
import type { Visit } from '../html/visit.ts'
import type { ChangeForm } from './change-form.ts'

const TITLES: Readonly<Record<ChangeForm['act'], string>> = {
  promote: 'Promote into',
  demote: 'Demote from',
  rollback: 'Roll back',
  revert: 'Revert a change of',
}

/** The form for a change of a view. It leads to a plan, and changes nothing. */
export function changeFormContent(
  visit: Visit,
  {
    view,
    views,
    form,
    fault,
  }: { view: View; views: readonly View[]; form: ChangeForm; fault: string | undefined },
): Content {
  return {
    title: `${TITLES[form.act]} ${view.name}`,
    section: 'pipeline',
    main: html`${crumbs([html`<a href="${visit.to('/')}">Pipeline</a>`, viewLink(visit, view.name)])}
<h1>${TITLES[form.act]} ${view.name}</h1>
<p class="lead">The next page shows exactly what would change, and what blocks it. Nothing changes before you apply that plan.</p>
${acts(visit, view, form)}
${fault === undefined ? null : html`<p class="notice bad" role="alert">${fault}</p>`}
<form method="post" action="${visit.to('/plans')}" class="stack change">
${formToken(visit)}<input type="hidden" name="view" value="${view.name}" /><input type="hidden" name="act" value="${form.act}" />
${fieldsOf(view, views, form)}
<label>Reason<input name="reason" value="${form.reason ?? ''}" maxlength="500" placeholder="Why, for the people who read the history" /></label>
<div class="actions"><button class="primary" name="how" value="plan">Show the plan</button></div>
</form>`,
  }
}

function acts(visit: Visit, view: View, form: ChangeForm): SafeHtml {
  return html`<p>${Object.entries({
    promote: 'Promote',
    demote: 'Demote',
    rollback: 'Roll back',
    revert: 'Revert',
  }).map(
    ([act, label]) =>
      html`<a href="${visit.to(withQuery('/plans/new', { view: view.name, act }))}"${act === form.act ? html` aria-current="true"` : null}>${label}</a> `,
  )}</p>`
}

function fieldsOf(view: View, views: readonly View[], form: ChangeForm): SafeHtml {
  switch (form.act) {
    case 'promote':
    case 'demote':
      return sourceFields(view, views, form)
    case 'rollback':
      return html`<label>To revision or date<input name="to" value="${form.to ?? ''}" required placeholder="${String(Math.max(0, view.revision - 1))}" maxlength="40" /></label>${onlyFields(form)}`
    case 'revert':
      return html`<label>Revision to undo<input name="revision" value="${form.revision ?? ''}" required placeholder="${String(view.revision)}" maxlength="40" /></label>${onlyFields(form)}`
    default:
      return form.act satisfies never
  }
}

function sourceFields(view: View, views: readonly View[], form: ChangeForm): SafeHtml {
  const others = views.filter(({ id }) => id !== view.id || form.act === 'demote')
  return html`<fieldset><legend>Everything that is latest in a view</legend>
<div class="filters">
<label>View<select name="from"><option value="">—</option>${others.map(
    ({ name }) =>
      html`<option value="${name}"${name === form.from ? html` selected` : null}>${name}</option>`,
  )}</select></label>
<label>At a revision or date<input name="at" value="${form.at ?? ''}" placeholder="now" maxlength="40" /></label>
<label>Only of the origin<input name="origin" value="${form.origin ?? ''}" maxlength="255" spellcheck="false" /></label>
<label>Only with the name<input name="name" value="${form.name ?? ''}" maxlength="255" spellcheck="false" /></label>
</div></fieldset>
<fieldset><legend>Or these releases</legend>
<label>Idents, one a line, each perhaps with a target<textarea name="releases" rows="4" spellcheck="false" placeholder="acme/app/1.2.0/20260101000000">${form.releases ?? ''}</textarea></label></fieldset>
${
  form.act === 'promote'
    ? html`<label class="check"><input type="checkbox" name="with_deps" value="1"${form.with_deps === '1' ? html` checked` : null} />also everything that they need</label>`
    : null
}`
}

function onlyFields(form: ChangeForm): SafeHtml {
  return html`<fieldset><legend>Only some packages</legend><div class="filters">
<label>Origin<input name="origin" value="${form.origin ?? ''}" maxlength="255" spellcheck="false" /></label>
<label>Name<input name="name" value="${form.name ?? ''}" maxlength="255" spellcheck="false" /></label>
</div></fieldset>`
}
