import { setImmediate } from 'node:timers/promises'
import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { parseIdent } from '../../../package/ident.ts'
import { DEFAULT_TARGET } from '../../../package/target.ts'
import { hasFilter, isInForce } from '../../../views/freeze.ts'
import type { View } from '../../../views/view.ts'
import type { Content } from '../html/layout.ts'
import { mayAdministrate, mayChange } from '../html/may-change.ts'
import {
  badge,
  emptyState,
  formatAgo,
  formatDuration,
  packageLink,
  packagePath,
  viewLink,
  viewPath,
} from '../html/parts.ts'
import { withQuery } from '../html/query.ts'
import { viewTable } from '../html/view-table.ts'
import type { Visit } from '../html/visit.ts'
import type { Columns } from './columns.ts'
import type { PipelineQuery } from './query.ts'
import { pipelinePath } from './query.ts'
import type { Cell, Row, RowPage } from './read-rows.ts'

/** What the pipeline shows. */
export interface Pipeline {
  readonly columns: Columns
  readonly written: WrittenRows
  readonly query: PipelineQuery
  /** The number of proposals that wait, by view. */
  readonly waiting: ReadonlyMap<string, number>
  /** The number of changes of which a phase runs. */
  readonly runningChanges: number
}

/** The rows of a page, which are the same for all callers who may see the same. */
export interface WrittenRows {
  readonly pieces: readonly SafeHtml[]
  readonly count: number
  readonly next: RowPage['next']
}

const MINUTES = [
  ['1h', 'the last hour'],
  ['1d', 'the last day'],
  ['1w', 'the last week'],
  ['4w', 'the last four weeks'],
] as const
const BEHIND = [
  ['1d', 'a day'],
  ['3d', 'three days'],
  ['1w', 'a week'],
  ['4w', 'four weeks'],
] as const

/** Other requests run after this many rows. */
const ROWS_IN_A_PIECE = 200

export function pipelineContent(visit: Visit, pipeline: Pipeline): Content {
  const { columns, written, query } = pipeline
  return {
    title: 'Pipeline',
    section: 'pipeline',
    follows: 'everything',
    main: html`<h1>Pipeline</h1>
${summary(visit, pipeline)}
${filterForm(visit, query)}
${written.count === 0 ? nothing(visit, pipeline) : table(visit, pipeline)}
${pager(visit, pipeline)}
${otherViews(visit, columns.others)}
<p><a href="${visit.to('/views')}">All views${mayAdministrate(visit.caller) ? ', and a form that creates one' : null}</a></p>`,
  }
}

function summary(visit: Visit, { waiting, runningChanges }: Pipeline): SafeHtml | null {
  const proposals = [...waiting.values()].reduce((sum, count) => sum + count, 0)
  if (proposals === 0 && runningChanges === 0) return null
  return html`<p class="lead">${
    proposals === 0
      ? null
      : html`${proposals} ${proposals === 1 ? 'proposal waits' : 'proposals wait'} for approval. `
  }${
    runningChanges === 0
      ? null
      : html`<a href="${visit.to('/changes')}">${runningChanges === 1 ? 'One change is' : `${runningChanges} changes are`} running</a>.`
  }</p>`
}

function filterForm(visit: Visit, query: PipelineQuery): SafeHtml {
  const isFiltered = pipelinePath({ ...query, after: undefined, all: undefined }) !== '/'
  return html`<form class="filters" action="${visit.to('/')}">
${query.views === undefined ? null : html`<input type="hidden" name="views" value="${query.views}" />`}
<label>Origin<input name="origin" value="${query.origin ?? ''}" maxlength="255" spellcheck="false" /></label>
<label>Name contains<input name="name" value="${query.name ?? ''}" maxlength="255" spellcheck="false" /></label>
<label>Changed in<select name="changed"><option value="">any time</option>${choices(MINUTES, query.changed)}</select></label>
<label>Behind for more than<select name="behind"><option value="">any time</option>${choices(BEHIND, query.behind)}</select></label>
<label class="check"><input type="checkbox" name="differs" value="1"${query.differs === '1' ? html` checked` : null} />only differences</label>
<button>Filter</button>${isFiltered ? html`<a href="${visit.to('/')}">Clear</a>` : null}
</form>`
}

function choices(list: readonly (readonly [string, string])[], chosen: string | undefined): SafeHtml[] {
  return list.map(
    ([value, label]) =>
      html`<option value="${value}"${value === chosen ? html` selected` : null}>${label}</option>`,
  )
}

/** Writes the rows of the table in pieces, because thousands would keep other requests waiting. */
export async function writeRows(
  visit: Visit,
  { shown, page, isBrief }: { shown: readonly View[]; page: RowPage; isBrief: boolean },
): Promise<WrittenRows> {
  const options = { hasTargets: page.rows.some(({ target }) => target !== DEFAULT_TARGET), isBrief }
  const pieces: SafeHtml[] = []
  for (let at = 0; at < page.rows.length; at += ROWS_IN_A_PIECE) {
    const rows = page.rows.slice(at, at + ROWS_IN_A_PIECE)
    pieces.push(html`${rows.map((row) => rowOf(visit, shown, row, options))}`)
    await setImmediate()
  }
  return { pieces, count: page.rows.length, next: page.next }
}

function table(visit: Visit, { columns, waiting, written }: Pipeline): SafeHtml {
  const { shown } = columns
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Pipeline"><table class="full pipeline">
<caption class="visually-hidden">What each view runs. A sign before a release compares it with the view to its left.</caption>
<thead><tr><th scope="col" data-sortable>Package</th>${shown.map((view, index) => columnHeading(visit, view, { left: shown[index - 1], waiting: waiting.get(view.name) ?? 0 }))}</tr></thead>
<tbody>
${[...written.pieces]}
</tbody></table></div>
<p class="hint"><b>=</b> the same release as in the view to its left · <b>&lt;</b> a lower one · <b>&gt;</b> a higher one · <b>+</b> nothing to its left</p>`
}

function columnHeading(
  visit: Visit,
  view: View,
  { left, waiting }: { left: View | undefined; waiting: number },
): SafeHtml {
  const frozen = view.freezes.filter((freeze) => isInForce(freeze, visit.now))
  const whole = frozen.find((freeze) => !hasFilter(freeze))
  return html`<th scope="col" data-sortable>${viewLink(visit, view.name)}<small>revision ${view.revision}${
    whole !== undefined
      ? html` ${badge('info', 'frozen', whole.reason)}`
      : frozen.length > 0
        ? html` ${badge('info', 'partly frozen')}`
        : null
  }${
    waiting === 0 ? null : html` ${badge('warn', waiting === 1 ? '1 proposal' : `${waiting} proposals`)}`
  }</small>${promoteLink(visit, left, view)}</th>`
}

/**
 * A link to the plan that brings a view what is latest in the view to its left, for those who may change it.
 */
function promoteLink(visit: Visit, left: View | undefined, view: View): SafeHtml | null {
  if (left === undefined || !mayChange(visit, view)) return null
  const { name } = view
  const path = withQuery('/plans/new', { view: name, act: 'promote', from: left.name })
  return html`<small><a href="${visit.to(path)}">Promote from ${left.name}</a></small>`
}

function rowOf(
  visit: Visit,
  views: readonly View[],
  row: Row,
  { hasTargets, isBrief }: { hasTargets: boolean; isBrief: boolean },
): SafeHtml {
  return html`<tr id="${row.package}:${row.target}"><th scope="row">${packageLink(visit, row.package)}${
    hasTargets ? html`<small>${row.target}</small>` : null
  }</th>${row.cells.map((cell, index) => cellOf(visit, cell, { isBrief, view: views[index]?.name ?? '' }))}</tr>
`
}

const SIGNS = {
  same: ['=', 'same'],
  behind: ['<', 'lower'],
  ahead: ['>', 'higher'],
  missing: ['+', 'nothing to the left'],
  alone: ['', ''],
} as const

function cellOf(
  visit: Visit,
  cell: Cell | undefined,
  { isBrief, view }: { isBrief: boolean; view: string },
): SafeHtml {
  if (cell === undefined) return html`<td data-cell="" data-sort=""><span class="none">—</span></td>`
  const { ident, difference, since, sinceRevision, by } = cell
  const { version, release } = parseIdent(ident)
  const [sign, word] = SIGNS[difference]
  const author = by === undefined ? '' : ` by ${by}`
  const exact = `${ident}, since ${new Date(since).toISOString()}, revision ${sinceRevision}${author}`
  const link = html`<a href="${visit.to(packagePath(ident))}" title="${exact}">${version}</a>`
  const signed =
    sign === ''
      ? null
      : html`<span class="sign" title="${word}">${sign}<span class="visually-hidden">${word} </span></span>`
  if (isBrief) return html`<td class="${difference}" data-cell="${ident}">${signed}${link}</td>`
  return html`<td class="${difference}" data-cell="${ident}">${signed}${link}${marks(cell)}<small><span class="mono">${release}</span><br /><a href="${visit.to(`${viewPath(view)}/revisions/${sinceRevision}`)}"><time datetime="${new Date(since).toISOString()}" title="${new Date(since).toISOString()}">${formatAgo(since, visit.now)}</time></a>${author}</small></td>`
}

function marks({ marks: found, soaksForMs }: Cell): SafeHtml {
  return html`${found?.yanked === undefined ? null : html` ${badge('bad', 'yanked', found.yanked.reason)}`}${
    found?.deprecated === undefined ? null : html` ${badge('warn', 'deprecated', found.deprecated.reason)}`
  }${soaksForMs === undefined ? null : html` ${badge('plain', `soaks ${formatDuration(soaksForMs)} more`)}`}`
}

function nothing(visit: Visit, { query, written: { next } }: Pipeline): SafeHtml {
  if (next !== undefined)
    return emptyState(
      'Nothing on this part of the list fits the filter',
      html`<p><a href="${visit.to(pipelinePath({ ...query, after: next.join(' ') }))}">Look further</a></p>`,
    )
  return emptyState(
    'No package fits the filter',
    html`<p><a href="${visit.to('/')}">Show all packages</a></p>`,
  )
}

function pager(visit: Visit, { query, written: { count, next } }: Pipeline): SafeHtml | null {
  const isWhole = query.after === undefined && next === undefined
  if (isWhole && count === 0) return null
  return html`<nav class="pager" aria-label="Pages">
<span>${count} ${count === 1 ? 'row' : 'rows'}${isWhole ? '' : ' on this page'}</span>
${query.after === undefined ? null : html`<a href="${visit.to(pipelinePath({ ...query, after: undefined }))}">First page</a>`}
${next === undefined ? null : html`<a rel="next" href="${visit.to(pipelinePath({ ...query, after: next.join(' ') }))}">Next page</a>`}
${isWhole || query.all === '1' ? null : html`<a href="${visit.to(pipelinePath({ ...query, after: undefined, all: '1' }))}">Show all rows</a>`}
${query.all === '1' ? html`<a href="${visit.to(pipelinePath({ ...query, all: undefined }))}">Show pages</a>` : null}
</nav>`
}

function otherViews(visit: Visit, views: readonly View[]): SafeHtml | null {
  if (views.length === 0) return null
  return html`<details><summary>${views.length} other ${views.length === 1 ? 'view' : 'views'}</summary>
${viewTable(visit, views)}</details>`
}
