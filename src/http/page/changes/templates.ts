import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { ChangeRecord, PhaseReport } from '../../../changes/change-record.ts'
import { CHANGE_PHASES, VIEW_PHASES } from '../../../views/phase.ts'
import type { ChangeState, PhaseStatus } from '../../../views/phase.ts'
import type { StoredPlan } from '../../../revisions/stored-plan.ts'
import type { View } from '../../../views/view.ts'
import type { Content } from '../html/layout.ts'
import {
  badge,
  crumbs,
  emptyState,
  listWords,
  packageLink,
  releaseLink,
  timeAgo,
  viewLink,
} from '../html/parts.ts'
import { withQuery } from '../html/query.ts'
import type { Visit } from '../html/visit.ts'

const PHASES = [...CHANGE_PHASES, ...VIEW_PHASES]

/** A sign and a word for each status, so that colour says nothing alone. */
const STATUS: Readonly<Record<PhaseStatus, readonly [sign: string, word: string]>> = {
  running: ['…', 'running'],
  passed: ['✓', 'passed'],
  failed: ['✗', 'failed'],
  skipped: ['–', 'skipped'],
  not_configured: ['–', 'not configured'],
}
const STATE_BADGE: Readonly<Record<ChangeState, 'plain' | 'good' | 'bad' | 'info'>> = {
  recorded: 'plain',
  running: 'info',
  failed: 'bad',
  passed: 'good',
}

/** A proposal that waits, with the gates of its view. */
export interface WaitingProposal {
  readonly proposal: StoredPlan
  readonly view: View | undefined
  /** Whether the caller may decide about it. */
  readonly isForCaller: boolean
}

export interface ShownChanges {
  readonly changes: readonly ChangeRecord[]
  /** The views in which a release of the change is latest, by the id of the change. */
  readonly current: ReadonlyMap<number, ReadonlyMap<string, number>>
  readonly waiting: readonly WaitingProposal[]
  readonly query: { readonly project?: string | undefined; readonly state?: ChangeState | undefined }
  readonly next: number | undefined
}

export function changesContent(visit: Visit, shown: ShownChanges): Content {
  const { changes, query, next } = shown
  const isFiltered = query.project !== undefined || query.state !== undefined
  return {
    title: 'Changes',
    section: 'changes',
    follows: 'everything',
    main: html`<h1>Changes</h1>
${waitingList(visit, shown.waiting)}
<form class="filters" action="${visit.to('/changes')}">
<label>Project<input name="project" value="${query.project ?? ''}" placeholder="origin/name" maxlength="255" spellcheck="false" /></label>
<label>State<select name="state"><option value="">any</option>${Object.keys(STATE_BADGE).map(
      (state) =>
        html`<option value="${state}"${state === query.state ? html` selected` : null}>${state}</option>`,
    )}</select></label>
<button>Filter</button>${isFiltered ? html`<a href="${visit.to('/changes')}">Clear</a>` : null}
</form>
${
  changes.length > 0
    ? table(visit, shown)
    : isFiltered
      ? emptyState(
          'No change fits the filter',
          html`<p><a href="${visit.to('/changes')}">Show all changes</a></p>`,
        )
      : emptyState(
          'No changes are recorded',
          html`<p>A pipeline records a change with <code>hart-depot change record</code>, and reports its phases. Then this page shows where every change stands.</p>`,
        )
}
${next === undefined ? null : html`<nav class="pager" aria-label="Pages"><a rel="next" href="${visit.to(withQuery('/changes', { ...query, before: String(next) }))}">Older changes</a></nav>`}`,
  }
}

function waitingList(visit: Visit, waiting: readonly WaitingProposal[]): SafeHtml | null {
  if (waiting.length === 0) return null
  return html`<h2>Proposals that wait</h2><ul>${waiting.map(({ proposal, view, isForCaller }) => {
    const { account, effect, createdAt, expiresAt, request } = proposal
    const approvers = view?.gates.approval?.approvers
    return html`<li>${viewLink(visit, proposal.view)}: <a href="${visit.to(`/plans/${proposal.token}`)}">${effect.act}</a>${request.reason === undefined ? null : html` — ${request.reason}`} <span class="dim">by ${account ?? 'the operator'}, ${timeAgo(visit, createdAt)}, until ${timeAgo(visit, expiresAt)}</span>. Waits for ${isForCaller ? html`<b>you</b>, or ` : null}${
      approvers === undefined
        ? 'anyone else who may promote'
        : listWords(approvers.map((name) => name.replace(/^group:/, 'the group ')))
    }.</li>`
  })}</ul>`
}

function table(visit: Visit, { changes, current }: ShownChanges): SafeHtml {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Changes"><table class="full changes">
<caption class="visually-hidden">Where each change stands in the phases</caption>
<thead><tr><th scope="col">Change</th><th scope="col">State</th>${PHASES.map((phase) => html`<th scope="col">${phase}</th>`)}<th scope="col">Latest in</th></tr></thead><tbody>
${changes.map(
  (
    change,
  ) => html`<tr id="change-${change.publicId}"><th scope="row"><a href="${visit.to(`/changes/${change.publicId}`)}">${change.project} ${change.change}</a><small>${timeAgo(visit, change.at)}${change.by === undefined ? null : ` by ${change.by}`}</small></th><td data-cell="${change.state}">${badge(STATE_BADGE[change.state], change.state)}</td>${PHASES.map((phase) => phaseCell(change, phase))}<td>${[...(current.get(change.id)?.keys() ?? [])].map((view, index) => html`${index === 0 ? null : ', '}${viewLink(visit, view)}`)}</td></tr>
`,
)}</tbody></table></div>
<p class="hint">✓ passed · ✗ failed · … running · – skipped or not configured</p>`
}

function phaseCell({ phases }: ChangeRecord, phase: string): SafeHtml {
  const reports = phases.filter((report) => report.phase === phase)
  const cell = reports.map(({ status, job, view, message }) => {
    const [sign, word] = STATUS[status]
    const title = [view, word, message].filter((part) => part !== undefined).join(': ')
    const text = html`<span aria-hidden="true">${sign}</span><span class="visually-hidden">${word}</span>${view === undefined ? null : html` ${view}`}`
    return html`<li class="phase ${status}" title="${title}">${linked(job, text)}</li>`
  })
  return html`<td data-cell="${reports.map(({ view, status }) => `${view ?? ''} ${status}`).join()}">${
    cell.length === 0 ? html`<span class="none">·</span>` : html`<ul class="moves">${cell}</ul>`
  }</td>`
}

/** Links to a job of a CI system, if its URL is one. */
function linked(url: string | undefined, text: SafeHtml): SafeHtml {
  return url !== undefined && /^https?:\/\//.test(url)
    ? html`<a href="${url}" rel="noreferrer">${text}</a>`
    : text
}

/** One change, with its releases and all reports of its phases. */
export function changeContent(visit: Visit, change: ChangeRecord, views: readonly string[]): Content {
  const { project, change: name, commit, branch, url, by, at, state, releases, phases } = change
  return {
    title: `${project} ${name}`,
    section: 'changes',
    follows: 'everything',
    main: html`${crumbs([html`<a href="${visit.to('/changes')}">Changes</a>`])}
<h1>${project} ${name} ${badge(STATE_BADGE[state], state)}</h1>
<dl class="facts">
<dt>Project</dt><dd>${packageLink(visit, project)}</dd>
<dt>Commit</dt><dd><span class="mono">${commit}</span>${branch === undefined ? null : html` on ${branch}`}${url === undefined ? null : html` · ${linked(url, html`${url}`)}`}</dd>
<dt>Recorded</dt><dd>${timeAgo(visit, at)}${by === undefined ? null : html` by ${by}`}</dd>
<dt>Latest in</dt><dd>${views.length === 0 ? html`<span class="dim">no view</span>` : views.map((view, index) => html`${index === 0 ? null : ', '}${viewLink(visit, view)}`)}</dd>
</dl>
<h2>Releases</h2>
${
  releases.length === 0
    ? html`<p class="dim">None yet.</p>`
    : html`<ul class="moves">${releases.map(
        ({ ident, target, replacedBy, at: added }) =>
          html`<li>${ident.split('/').slice(0, 2).join('/')} ${releaseLink(visit, ident, target)} <span class="dim">${target}, ${timeAgo(visit, added)}</span>${replacedBy === undefined ? null : html` ${badge('plain', 'replaced by a rebuild')}`}</li>`,
      )}</ul>`
}
<h2>Phases</h2>
${phases.length === 0 ? html`<p class="dim">None was reported.</p>` : phaseTable(visit, phases)}`,
  }
}

function phaseTable(visit: Visit, phases: readonly PhaseReport[]): SafeHtml {
  return html`<div class="scroll"><table class="full"><thead><tr><th scope="col">Phase</th><th scope="col">View</th><th scope="col">Status</th><th scope="col">When</th><th scope="col">Who</th><th scope="col">Job</th></tr></thead><tbody>
${phases.map(({ phase, view, status, at, by, job, message }) => {
  const [sign, word] = STATUS[status]
  return html`<tr><th scope="row">${phase}</th><td data-label="View">${view === undefined ? null : viewLink(visit, view)}</td><td data-label="Status" data-cell="${status}">${sign} ${word}${message === undefined ? null : html`<br /><span class="dim">${message}</span>`}</td><td data-label="When">${timeAgo(visit, at)}</td><td data-label="Who">${by ?? ''}</td><td data-label="Job">${job === undefined ? null : linked(job, html`${job}`)}</td></tr>`
})}</tbody></table></div>`
}
