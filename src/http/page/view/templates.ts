import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { DEFAULT_TARGET } from '../../../package/target.ts'
import type { Marks } from '../../../releases/mark-store.ts'
import type { PointerAt } from '../../../revisions/content-store.ts'
import type { Revision } from '../../../revisions/history-store.ts'
import { mayOverride, requesterOf } from '../../../views/gates.ts'
import { UNSTABLE } from '../../../views/view.ts'
import type { View } from '../../../views/view.ts'
import type { FleetFigures } from '../fleet/read-fleet.ts'
import { FLEET_REFRESH_SECONDS, fleetSection } from '../fleet/templates.ts'
import type { Content } from '../html/layout.ts'
import { mayChange } from '../html/may-change.ts'
import {
  badge,
  copyable,
  crumbs,
  emptyState,
  packageLink,
  releaseLink,
  timeAgo,
  viewPath,
} from '../html/parts.ts'
import { withQuery } from '../html/query.ts'
import { loadCommand, updateCommand } from '../html/supervisor-commands.ts'
import type { Visit } from '../html/visit.ts'
import { comparePath } from './compare-query.ts'
import { endForm } from './end-form.ts'
import { freezeForms } from './freeze-form.ts'
import { gatesPath } from './gates-templates.ts'
import { historyTable } from './history-templates.ts'
import { revisionPath } from './moves.ts'
import { ruleSentences } from './sentences.ts'
import { maySetSettings, settingsPath } from './settings-templates.ts'

/** A view at a revision, as the page shows it. */
export interface ShownView {
  readonly view: View
  readonly revision: number
  /** Epoch milliseconds; `undefined` for revision 0. */
  readonly madeAt: number | undefined
  /** Whether the URL names a revision or a time, so that the page stays as it is. */
  readonly isPast: boolean
  readonly pointers: readonly PointerAt[]
  readonly marks: ReadonlyMap<number, Marks>
  /** The number of packages that the view has now. */
  readonly packages: number
  readonly history: readonly Revision[]
  readonly fleet: FleetFigures | undefined
  readonly previewOf: string | undefined
  readonly query: { readonly at?: string | undefined; readonly origin?: string | undefined }
  /** The path of the next page of the content. */
  readonly next: string | undefined
}

export function viewContent(visit: Visit, shown: ShownView): Content {
  const { view, isPast, revision } = shown
  return {
    title: isPast ? `${view.name} at revision ${revision}` : view.name,
    section: 'pipeline',
    ...(!isPast && { follows: { view: view.name } }),
    refreshSeconds: shown.fleet?.isCounting === true ? FLEET_REFRESH_SECONDS : undefined,
    main: html`${crumbs([html`<a href="${visit.to('/')}">Pipeline</a>`])}
<h1>${view.name}${states(view, shown.previewOf)}</h1>
${isPast ? pastNotice(visit, shown) : html`<p class="lead">Revision ${revision}${shown.madeAt === undefined ? ', before the first promotion' : html`, made ${timeAgo(visit, shown.madeAt)}`} · ${shown.packages} ${shown.packages === 1 ? 'package' : 'packages'}</p>`}
<form class="filters" action="${visit.to(viewPath(view.name))}">
<label>At a revision or a date<input name="at" value="${shown.query.at ?? ''}" placeholder="${`${revision} or ${new Date(visit.now).toISOString().slice(0, 10)}`}" maxlength="40" spellcheck="false" /></label>
<label>Origin<input name="origin" value="${shown.query.origin ?? ''}" maxlength="255" spellcheck="false" /></label>
<button>Show</button>${isPast || shown.query.origin !== undefined ? html`<a href="${visit.to(viewPath(view.name))}">Show all of it as it is now</a>` : html`<a href="${visit.to(`${viewPath(view.name)}?at=${revision}`)}">Link to this state</a>`}<a href="${visit.to(comparePath(view.name, isPast ? { at: String(revision) } : {}))}">Compare with another view</a>
</form>
${isPast || !mayChange(visit, view) ? null : actions(visit, view)}
${shown.pointers.length === 0 ? emptyState(isPast ? 'The view had nothing then' : 'Nothing is here', html`<p>A promotion brings releases into the view: <code>hart-depot promote ${view.name} ORIGIN/NAME/VERSION/RELEASE</code></p>`) : contents(visit, shown)}
${fleetSection(visit, shown.fleet, { names: 'Package', command: `hart-depot fleet --hosts FILE --view ${view.name}` })}
<h2>Rules</h2>
<ul>${ruleSentences(visit, view).map((sentence) => html`<li>${sentence}</li>`)}</ul>
${isPast ? null : html`${freezeForms(visit, view)}${endForm(visit, view)}`}
${isPast ? null : supervisors(visit, shown)}
<h2>History</h2>
${historyTable(visit, view, shown.history)}
${shown.history.length === 0 ? null : html`<p><a href="${visit.to(`${viewPath(view.name)}/history`)}">The whole history</a></p>`}`,
  }
}

function states({ closedAt, freezes }: View, previewOf: string | undefined): SafeHtml {
  return html`${closedAt === undefined ? null : html` ${badge('warn', 'closed')}`}${
    freezes.length === 0
      ? null
      : html` ${badge('info', freezes.some(({ origin, name }) => origin === undefined && name === undefined) ? 'frozen' : 'partly frozen')}`
  }${previewOf === undefined ? null : html` ${badge('plain', `preview of ${previewOf}`)}`}`
}

/** Links to the forms that change the view. */
function actions(visit: Visit, view: View): SafeHtml {
  const { name } = view
  const link = (act: string) => visit.to(withQuery('/plans/new', { view: name, act }))
  return html`<p class="actions"><a class="button primary" href="${link('promote')}">Promote into ${name}</a><a class="button" href="${link('demote')}">Demote</a><a class="button" href="${link('rollback')}">Roll back</a>${maySetGates(visit, view) ? html`<a class="button" href="${visit.to(gatesPath(name))}">Change the rules</a>` : null}${maySetSettings(visit, view) ? html`<a class="button" href="${visit.to(settingsPath(name))}">Settings</a>` : null}</p>`
}

function maySetGates({ caller }: Visit, view: View): boolean {
  return caller !== undefined && hasGates(view) && mayOverride(requesterOf(caller), view.gates)
}

function hasGates({ name, preview }: View): boolean {
  return name !== UNSTABLE && preview === undefined
}

function pastNotice(visit: Visit, { view, revision, madeAt }: ShownView): SafeHtml {
  return html`<p class="notice">This is revision ${revision} of ${view.revision}${madeAt === undefined ? null : html`, made ${timeAgo(visit, madeAt)}`}. It will not change. <a href="${visit.to(revisionPath(view.name, revision))}">What this revision changed</a></p>`
}

function contents(visit: Visit, { view, pointers, marks, next }: ShownView): SafeHtml {
  const hasTargets = pointers.some(({ target }) => target !== DEFAULT_TARGET)
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Latest releases"><table class="full">
<caption>The latest releases</caption>
<thead><tr><th scope="col" data-sortable>Package</th><th scope="col" data-sortable>Release</th>${hasTargets ? html`<th scope="col" data-sortable>Target</th>` : null}<th scope="col">Since</th><th scope="col">Revision</th></tr></thead><tbody>
${pointers.map(
  ({
    package: name,
    target,
    ident,
    since,
    sinceRevision,
    releaseId,
  }) => html`<tr id="${name}:${target}"><th scope="row">${packageLink(visit, name)}</th><td data-cell="${ident}" data-label="Release">${releaseLink(visit, ident)}${marked(marks.get(releaseId))}</td>${hasTargets ? html`<td data-label="Target">${target}</td>` : null}<td data-label="Since">${timeAgo(visit, since)}</td><td data-label="Revision"><a href="${visit.to(revisionPath(view.name, sinceRevision))}">${sinceRevision}</a></td></tr>
`,
)}</tbody></table></div>
${next === undefined ? null : html`<nav class="pager" aria-label="Pages"><a rel="next" href="${visit.to(next)}">Next page</a></nav>`}`
}

function marked(marks: Marks | undefined): SafeHtml {
  return html`${marks?.yanked === undefined ? null : html` ${badge('bad', 'yanked', marks.yanked.reason)}`}${
    marks?.deprecated === undefined ? null : html` ${badge('warn', 'deprecated', marks.deprecated.reason)}`
  }`
}

function supervisors(visit: Visit, { view, pointers }: ShownView): SafeHtml {
  const name = pointers[0]?.package ?? 'ORIGIN/NAME'
  return html`<h2>For Supervisors</h2>
<details><summary>Commands that let a service follow this view</summary>
<p>Load a service so that it runs what is latest here:</p>
${copyable(loadCommand(visit.depotUrl, view.name, name))}
<p>Move a loaded service to this view:</p>
${copyable(updateCommand(visit.depotUrl, view.name, name))}
</details>`
}
