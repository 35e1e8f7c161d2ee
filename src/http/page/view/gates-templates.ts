import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { z } from 'zod'
import type { View } from '../../../views/view.ts'
import type { GateSettings } from '../../api/gates/shapes.ts'
import type { Content } from '../html/layout.ts'
import { copyable, crumbs, formToken, viewLink, viewPath } from '../html/parts.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import type { Visit } from '../html/visit.ts'
import type { GatesForm } from './gates-form.ts'

/** The fields for further requirements that an open form has. */
const SPARE_REQUIREMENTS = 2

/** The path of the form, and that of the API. */
export function gatesPath(view: string): string {
  return `${viewPath(view)}/gates`
}

/** The form for the gates of a view, which the page calls its rules, as the API does. */
export function gatesContent(
  visit: Visit,
  {
    view,
    views,
    form,
    settings,
    mayOverride,
    fault,
  }: {
    view: View
    views: readonly View[]
    /** What the fields show: the rules now, or what was typed and refused. */
    form: GatesForm
    /** The rules now. */
    settings: z.infer<typeof GateSettings>
    mayOverride: boolean
    fault: string | undefined
  },
): Content {
  const title = `Rules of ${view.name}`
  const others = views.filter(({ id }) => id !== view.id).map(({ name }) => name)
  const requirements = requirementsIn(form)
  return {
    title,
    section: 'pipeline',
    main: html`${crumbs([html`<a href="${visit.to('/')}">Pipeline</a>`, viewLink(visit, view.name)])}
<h1>${title}</h1>
<p class="lead">They hold from the next change on. What the view has stays.</p>
${fault === undefined ? null : html`<p class="notice bad" role="alert">${fault}</p>`}
<form method="post" action="${visit.to(gatesPath(view.name))}" class="stack change">
${formToken(visit)}
${[...requirements, ...Array.from({ length: SPARE_REQUIREMENTS }, () => NO_REQUIREMENT)].map((requirement, index) => requirementFields(requirement, index, others))}
<fieldset><legend>What moves</legend>
<label>Dependencies of a release<select name="closure">${options(form.closure, [
      ['', 'are not checked'],
      ['depot', 'must be in the depot'],
      ['view', 'must be in this view'],
    ])}</select></label>
<label class="check"><input type="checkbox" name="downgrade" value="refuse"${form.downgrade === undefined ? null : html` checked`} />refuse promotions that lower a version</label>
<label>A package rests after it moved, for<input name="settle" value="${form.settle ?? ''}" placeholder="3m" maxlength="12" /></label>
</fieldset>
<fieldset><legend>Who changes the view</legend>
<label>Promoters<input name="promoters" value="${form.promoters ?? ''}" maxlength="600" placeholder="maintainers of the packages" spellcheck="false" /></label>
<label class="check"><input type="checkbox" name="approval" value="1"${form.approval === undefined ? null : html` checked`} />a second person must approve each change</label>
<label>Approvers<input name="approvers" value="${form.approvers ?? ''}" maxlength="600" placeholder="anyone else who may promote" spellcheck="false" /></label>
<label>A proposal expires after<input name="expires" value="${form.expires ?? ''}" placeholder="7d" maxlength="12" /></label>
<label>May override these rules, besides administrators<input name="overriders" value="${form.overriders ?? ''}" maxlength="600" spellcheck="false" /></label>
<p class="hint">Accounts, or groups as <code>group:NAME</code>, separated by commas. Times are written as 30s, 90m, 6h or 2d.</p>
</fieldset>
${mayOverride ? html`<label>Reason for overriding the rules, if they forbid it<input name="override" value="${form.override ?? ''}" maxlength="500" /></label>` : null}
<div class="actions"><button class="primary">Replace the rules</button><a href="${visit.to(viewPath(view.name))}">Leave them</a></div>
</form>
<details><summary>The rules now, as JSON</summary>${copyable(JSON.stringify(settings, null, 2))}</details>
${sameCommands([
  `hart-depot gates ${view.name} > gates.yaml`,
  `hart-depot gates ${view.name} --set gates.yaml`,
  curlCommand(visit, { method: 'PUT', path: gatesPath(view.name), body: settings }),
])}`,
  }
}

const NO_REQUIREMENT = { view: '', as: 'member', soak: '', phases: '' }

/** Returns the requirements of a form, without those that name no view. */
function requirementsIn(form: GatesForm): (typeof NO_REQUIREMENT)[] {
  return form.requires_view.flatMap((view, index) => {
    if (view.trim() === '') return []
    const [as = 'member', soak = '', phases = ''] = [
      form.requires_as[index],
      form.requires_soak[index],
      form.requires_phases[index],
    ]
    return [{ view, as, soak, phases }]
  })
}

function requirementFields(
  { view, as, soak, phases }: typeof NO_REQUIREMENT,
  index: number,
  others: readonly string[],
): SafeHtml {
  return html`<fieldset><legend>${index === 0 ? 'A release must be in' : 'And in'}</legend><div class="filters">
<label>View<select name="requires_view">${options(view, [['', '—'], ...others.map((name) => [name, name] as const)])}</select></label>
<label>As<select name="requires_as">${options(as, [
    ['member', 'a member'],
    ['current', 'the latest'],
  ])}</select></label>
<label>For at least<input name="requires_soak" value="${soak}" placeholder="2d" maxlength="12" /></label>
<label>Phases that passed there<input name="requires_phases" value="${phases}" placeholder="smoke, functional" maxlength="600" spellcheck="false" /></label>
</div></fieldset>`
}

function options(chosen: string, list: readonly (readonly [value: string, label: string])[]): SafeHtml[] {
  return list.map(
    ([value, label]) =>
      html`<option value="${value}"${value === chosen ? html` selected` : null}>${label}</option>`,
  )
}
