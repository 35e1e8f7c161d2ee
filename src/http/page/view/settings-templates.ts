import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { UNSTABLE } from '../../../views/view.ts'
import type { View } from '../../../views/view.ts'
import { postForm, textField } from '../html/forms.ts'
import type { Content } from '../html/layout.ts'
import { mayAdministrate } from '../html/may-change.ts'
import { crumbs, listWords, viewLink, viewPath } from '../html/parts.ts'
import { MAX_NAMES_LENGTH, withQuery } from '../html/query.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import { RULE_WORDS } from '../html/view-table.ts'
import type { Visit } from '../html/visit.ts'
import { isOutdated, readField } from './read-field.ts'

export function settingsPath(view: string): string {
  return `${viewPath(view)}/settings`
}

/** Reports whether the caller may change the settings of a view. Previews have those of their views. */
export function maySetSettings({ caller }: Visit, { preview, closedAt }: View): boolean {
  return preview === undefined && closedAt === undefined && mayAdministrate(caller)
}

/** Reports whether the caller may change what is latest in a view. */
export function maySetRule(visit: Visit, view: View): boolean {
  return view.name !== UNSTABLE && maySetSettings(visit, view)
}

export function settingsContent(visit: Visit, view: View): Content {
  const { name, ungoverned } = view
  const title = `Settings of ${name}`
  return {
    title,
    section: 'pipeline',
    main: html`${crumbs([html`<a href="${visit.to('/')}">Pipeline</a>`, viewLink(visit, name)])}
<h1>${title}</h1>
${ruleSetting(visit, view)}
<h2>Origins that it does not govern</h2>
<p>If the view does not have a package of these origins, a Supervisor gets it from the channel that it asks for.</p>
${postForm(
  visit,
  { path: settingsPath(name), className: 'stack change' },
  (form) => html`${readField(ungoverned)}${isOutdated(form, ungoverned) ? presentOrigins(view) : null}
${textField(form, { name: 'ungoverned', label: 'Origins', value: ungoverned.join(', '), maxLength: MAX_NAMES_LENGTH, placeholder: 'none' })}
<div class="actions"><button class="primary">Save</button><a href="${visit.to(viewPath(name))}">Leave them</a></div>`,
)}
${sameCommands([
  `hart-depot set-rule ${name} ${view.rule === 'highest' ? 'promoted' : 'highest'}`,
  curlCommand(visit, { method: 'PUT', path: viewPath(name), body: { ungoverned } }),
])}`,
  }
}

/** The present origins, for a person whose form was refused because somebody else has replaced them. */
function presentOrigins({ ungoverned }: View): SafeHtml {
  const origins = ungoverned.length === 0 ? 'none' : listWords(ungoverned)
  return html`<p class="notice warn">Now they are ${origins}. The field below has what you typed, and would replace them.</p>`
}

/** The rule of the view, with a link to plan another one, because another rule can move every package. */
function ruleSetting(visit: Visit, view: View): SafeHtml {
  const { name, rule } = view
  const path = withQuery('/plans/new', { view: name, act: 'set-rule' })
  return html`<h2>What is latest</h2>
<p>The latest release of a package is ${RULE_WORDS[rule]}.</p>
${maySetRule(visit, view) ? html`<p><a class="button" href="${visit.to(path)}">Change what is latest</a></p>` : null}`
}
