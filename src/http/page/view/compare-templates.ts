import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { DEFAULT_TARGET } from '../../../package/target.ts'
import type { Difference, ViewState } from '../../../revisions/diff-store.ts'
import type { View } from '../../../views/view.ts'
import { optionList } from '../html/forms.ts'
import type { Content } from '../html/layout.ts'
import { mayChange } from '../html/may-change.ts'
import { badge, crumbs, emptyState, packageLink, releaseLink, viewLink } from '../html/parts.ts'
import { withQuery } from '../html/query.ts'
import { sameCommands } from '../html/shell.ts'
import type { Visit } from '../html/visit.ts'
import { comparePath } from './compare-query.ts'
import type { CompareQuery } from './compare-query.ts'

/** Two states of views, and how their latest releases differ. */
interface Comparison {
  readonly from: ViewState
  readonly to: ViewState
  readonly query: CompareQuery
  readonly differences: readonly Difference[]
  /** The open views. */
  readonly views: readonly View[]
  /** The last difference of this page, if there is a next one. */
  readonly last: Difference | undefined
}

/**
 * The page of a comparison. It does not follow the depot, because a comparison of two views with 10,000
 * packages takes more than 100 ms of processor time.
 */
export function compareContent(visit: Visit, comparison: Comparison): Content {
  const { from, to, query, differences } = comparison
  const isChosen = from.view.id !== to.view.id || from.revision !== to.revision
  return {
    title: isChosen ? `${stateText(from)} and ${stateText(to)}` : `Compare ${from.view.name}`,
    section: 'pipeline',
    main: html`${crumbs([html`<a href="${visit.to('/')}">Pipeline</a>`, viewLink(visit, from.view.name)])}
<h1>Compare ${from.view.name}${from.view.id === to.view.id ? null : ` and ${to.view.name}`}</h1>
${chooseForm(visit, comparison)}
${
  !isChosen
    ? emptyState('Both sides are the same', html`<p>Choose another view, or a revision or a date.</p>`)
    : differences.length === 0
      ? emptyState(
          'Nothing differs',
          html`<p>${stateText(from)} and ${stateText(to)} have the same latest releases here.</p>`,
        )
      : table(visit, comparison)
}
${isChosen ? promoteLink(visit, comparison) : null}
${sameCommands([`hart-depot diff ${stateWord(from, query.at)} ${stateWord(to, query.with_at)}`])}`,
  }
}

function chooseForm(visit: Visit, { from, to, query, views }: Comparison): SafeHtml {
  const names = new Set([...views.map(({ name }) => name), to.view.name])
  const options = [...names].map((name) => [name, name] as const)
  return html`<form class="filters" action="${visit.to(comparePath(from.view.name))}">
<label>${from.view.name} at a revision or a date<input name="at" value="${query.at ?? ''}" placeholder="now" maxlength="40" spellcheck="false" /></label>
<label>With the view<select name="with">${optionList(options, to.view.name)}</select></label>
<label>At a revision or a date<input name="with_at" value="${query.with_at ?? ''}" placeholder="now" maxlength="40" spellcheck="false" /></label>
<label>Origin<input name="origin" value="${query.origin ?? ''}" maxlength="255" spellcheck="false" /></label>
<label>Name<input name="name" value="${query.name ?? ''}" maxlength="255" spellcheck="false" /></label>
<button>Compare</button>
</form>`
}

function table(visit: Visit, { from, to, query, differences, last }: Comparison): SafeHtml {
  const hasTargets = differences.some(({ target }) => target !== DEFAULT_TARGET)
  const isOneView = from.view.id === to.view.id
  const [left, right] = [from, to].map(({ view, revision }) =>
    isOneView ? `revision ${revision}` : view.name,
  )
  const words = {
    added: badge('good', `only in ${right}`),
    removed: badge('plain', `only in ${left}`),
    moved: badge('plain', 'higher'),
    downgraded: badge('warn', 'lower'),
    republished: badge('warn', 'other bytes'),
  }
  const next = comparePath(from.view.name, {
    ...query,
    at: String(from.revision),
    with: to.view.name,
    with_at: String(to.revision),
    after: last && `${last.package} ${last.target}`,
  })
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Differences"><table class="full">
<caption>${stateText(to)}, compared with ${stateText(from)}</caption>
<thead><tr><th scope="col" data-sortable>Package</th>${hasTargets ? html`<th scope="col">Target</th>` : null}<th scope="col">${left}</th><th scope="col">${right}</th><th scope="col" data-sortable>Difference</th></tr></thead><tbody>
${differences.map(
  ({ package: name, target, from: before, to: after, change }) =>
    html`<tr id="${name}:${target}"><th scope="row">${packageLink(visit, name)}</th>${hasTargets ? html`<td data-label="Target">${target}</td>` : null}<td data-cell="${before}" data-label="${left}">${release(visit, before)}</td><td data-cell="${after}" data-label="${right}">${release(visit, after)}</td><td data-label="Difference">${words[change]}</td></tr>
`,
)}</tbody></table></div>
${last === undefined ? null : html`<nav class="pager" aria-label="Pages"><a rel="next" href="${visit.to(next)}">Next page</a></nav>`}`
}

function release(visit: Visit, ident: string | undefined): SafeHtml {
  return ident === undefined ? html`<span class="none">—</span>` : releaseLink(visit, ident)
}

/** A link to the plan that promotes into the first view what is latest in the second. */
function promoteLink(visit: Visit, { from, to, query }: Comparison): SafeHtml | null {
  if (from.view.id === to.view.id || query.at !== undefined || !mayChange(visit, from.view)) return null
  const { with_at: at, origin, name } = query
  const plan = { view: from.view.name, act: 'promote', from: to.view.name, at, origin, name }
  return html`<p class="actions"><a class="button" href="${visit.to(withQuery('/plans/new', plan))}">Promote into ${from.view.name} what ${to.view.name} has</a></p>`
}

function stateText({ view, revision }: ViewState): string {
  return `${view.name} at revision ${revision}`
}

function stateWord({ view, revision }: ViewState, at: string | undefined): string {
  return at === undefined ? view.name : `${view.name}@${revision}`
}
