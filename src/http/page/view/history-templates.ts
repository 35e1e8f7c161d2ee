import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { Revision } from '../../../revisions/history-store.ts'
import type { View } from '../../../views/view.ts'
import type { FleetFigures } from '../fleet/read-fleet.ts'
import { FLEET_REFRESH_SECONDS, fleetSection } from '../fleet/templates.ts'
import type { Content } from '../html/layout.ts'
import { mayChange } from '../html/may-change.ts'
import { crumbs, emptyState, timeAgo, viewLink, viewPath } from '../html/parts.ts'
import { withQuery } from '../html/query.ts'
import type { Visit } from '../html/visit.ts'
import { comparePath } from './compare-query.ts'
import { actOf, moveLine, quietReleases, revisionPath, withoutMoves } from './moves.ts'

/** The number of moves that a row of the history lists. */
const SHOWN_MOVES = 4

/** The revisions of a view, newest first: who, what and why. */
export function historyTable(visit: Visit, view: View, revisions: readonly Revision[]): SafeHtml {
  const { name } = view
  if (revisions.length === 0)
    return emptyState('Nothing has been promoted yet', html`<p>The first promotion makes revision 1.</p>`)
  return html`<div class="scroll" tabindex="0" role="region" aria-label="History"><table class="full history">
<thead><tr><th scope="col">Revision</th><th scope="col">When</th><th scope="col">Who</th><th scope="col">What</th><th scope="col">Why</th></tr></thead><tbody>
${revisions.map(
  (
    revision,
  ) => html`<tr id="revision-${revision.revision}"><th scope="row"><a href="${visit.to(revisionPath(name, revision.revision))}">${revision.revision}</a></th><td data-label="When">${timeAgo(visit, revision.at)}</td><td data-label="Who">${authorOf(revision)}</td><td data-label="What">${actOf(visit, name, revision)}${moves(visit, name, revision)}${undoLinks(visit, view, revision.revision)}</td><td data-label="Why" class="reason">${revision.reason ?? ''}${
    revision.override === undefined
      ? null
      : html`<br /><b>Gates were overridden:</b> ${revision.override.reason}`
  }</td></tr>
`,
)}</tbody></table></div>`
}

/** Links to the plans that undo a revision, for those who may change the view. */
function undoLinks(visit: Visit, view: View, revision: number): SafeHtml | null {
  if (!mayChange(visit, view)) return null
  const { name } = view
  const revert = withQuery('/plans/new', { view: name, act: 'revert', revision: String(revision) })
  const rollback = withQuery('/plans/new', { view: name, act: 'rollback', to: String(revision) })
  return html`<small class="undo"><a href="${visit.to(revert)}">Revert this</a> · <a href="${visit.to(rollback)}">Roll back to this</a></small>`
}

function authorOf({ account, proposer }: Revision): SafeHtml {
  const author = account ?? 'the depot'
  return proposer === undefined ? html`${author}` : html`${proposer}, approved by ${author}`
}

function moves(visit: Visit, view: string, { pointers, joined, left, revision }: Revision): SafeHtml {
  const others = pointers.length - SHOWN_MOVES
  const quiet = withoutMoves(joined, pointers, 'to').length + withoutMoves(left, pointers, 'from').length
  const more = (others > 0 ? others : 0) + quiet
  return html`<ul class="moves">${pointers.slice(0, SHOWN_MOVES).map((move) => moveLine(visit, move))}${
    more === 0
      ? null
      : html`<li><a href="${visit.to(revisionPath(view, revision))}">${pointers.length === 0 ? `${more} ${more === 1 ? 'release' : 'releases'}` : `${more} more`}</a></li>`
  }</ul>`
}

/** A page of the history of a view. */
export function historyContent(
  visit: Visit,
  { view, revisions, next }: { view: View; revisions: readonly Revision[]; next: number | undefined },
): Content {
  return {
    title: `History of ${view.name}`,
    section: 'pipeline',
    main: html`${crumbs([html`<a href="${visit.to('/')}">Pipeline</a>`, viewLink(visit, view.name)])}
<h1>History of ${view.name}</h1>
${historyTable(visit, view, revisions)}
${next === undefined ? null : html`<nav class="pager" aria-label="Pages"><a rel="next" href="${visit.to(`${viewPath(view.name)}/history?before=${next}`)}">Older revisions</a></nav>`}`,
  }
}

/** Everything that one revision changed. */
export function revisionContent(
  visit: Visit,
  { view, revision, fleet }: { view: View; revision: Revision; fleet: FleetFigures | undefined },
): Content {
  const { revision: number, pointers, joined, left, reason, at, client, override } = revision
  const path = (to: number) => visit.to(revisionPath(view.name, to))
  const isNewest = number >= view.revision
  const figures = isNewest || (fleet?.lines.length ?? 0) > 0 ? fleet : undefined
  return {
    title: `${view.name}, revision ${number}`,
    section: 'pipeline',
    ...(figures !== undefined && { follows: { view: view.name } }),
    refreshSeconds: figures?.isCounting === true ? FLEET_REFRESH_SECONDS : undefined,
    main: html`${crumbs([html`<a href="${visit.to('/')}">Pipeline</a>`, viewLink(visit, view.name), html`<a href="${visit.to(`${viewPath(view.name)}/history`)}">History</a>`])}
<h1>${view.name}, revision ${number}</h1>
<dl class="facts">
<dt>What</dt><dd>${actOf(visit, view.name, revision)}</dd>
<dt>When</dt><dd>${timeAgo(visit, at)}</dd>
<dt>Who</dt><dd>${authorOf(revision)}</dd>
<dt>Why</dt><dd>${reason ?? html`<span class="dim">no reason was given</span>`}</dd>
${override === undefined ? null : html`<dt>Override</dt><dd>${override.reason}</dd>`}
<dt>Client</dt><dd>${client === '' ? html`<span class="dim">unknown</span>` : client}</dd>
</dl>
<h2>What is latest</h2>
${pointers.length === 0 ? html`<p>Nothing moved that this page may show.</p>` : html`<ul class="moves">${pointers.map((move) => moveLine(visit, move))}</ul>`}
${quietReleases(visit, withoutMoves(joined, pointers, 'to'), 'Joined, and is not latest')}
${quietReleases(visit, withoutMoves(left, pointers, 'from'), 'Left, and was not latest')}
${fleetSection(visit, figures, { names: 'Package', command: `hart-depot fleet --hosts FILE --view ${view.name}` })}
${undoLinks(visit, view, number)}
<nav class="pager" aria-label="Revisions">
${number <= 1 ? null : html`<a rel="prev" href="${path(number - 1)}">Revision ${number - 1}</a>`}
<a href="${visit.to(`${viewPath(view.name)}?at=${number}`)}">The whole view at this revision</a>
${isNewest ? null : html`<a href="${visit.to(comparePath(view.name, { at: String(number) }))}">What has changed since</a>`}
${isNewest ? null : html`<a rel="next" href="${path(number + 1)}">Revision ${number + 1}</a>`}
</nav>`,
  }
}
