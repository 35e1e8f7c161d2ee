import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { Content } from '../html/layout.ts'
import { emptyState, timeAgo } from '../html/parts.ts'
import { withQuery } from '../html/query.ts'
import type { Visit } from '../html/visit.ts'
import type { Activity } from './read-activity.ts'
import { sentenceOf } from './sentences.ts'

/** Groups of kinds of entries, for the filter. */
export const GROUPS = {
  promotions: ['promotion'],
  uploads: ['release-published', 'release-announced'],
  proposals: ['proposal-made', 'proposal-ended', 'preview-made'],
  gates: [
    'gates-set',
    'view-frozen',
    'view-thawed',
    'views-frozen',
    'views-thawed',
    'view-created',
    'view-closed',
  ],
  withdrawals: [
    'release-yanked',
    'release-unyanked',
    'release-deprecated',
    'release-undeprecated',
    'release-held',
    'release-unheld',
    'release-deleted',
  ],
  changes: ['change-recorded', 'change-release-added', 'phase-reported'],
} as const satisfies Readonly<Record<string, readonly string[]>>

export type Group = keyof typeof GROUPS

const LABELS: Readonly<Record<Group, string>> = {
  promotions: 'promotions',
  uploads: 'uploads',
  proposals: 'proposals',
  gates: 'views, gates and freezes',
  withdrawals: 'yanked, deprecated, held and deleted releases',
  changes: 'changes and their phases',
}

export interface ActivityQuery {
  readonly view?: string | undefined
  readonly origin?: string | undefined
  readonly kind?: Group | undefined
}

export function activityContent(
  visit: Visit,
  { entries, next, query }: { entries: readonly Activity[]; next: number | undefined; query: ActivityQuery },
): Content {
  const { view, origin, kind } = query
  return {
    title: 'Activity',
    section: 'activity',
    follows: 'everything',
    main: html`<h1>Activity</h1>
<form class="filters" action="${visit.to('/activity')}">
<label>What<select name="kind"><option value="">everything</option>${Object.entries(LABELS).map(
      ([value, label]) =>
        html`<option value="${value}"${value === kind ? html` selected` : null}>${label}</option>`,
    )}</select></label>
<label>View<input name="view" value="${view ?? ''}" maxlength="255" spellcheck="false" /></label>
<label>Origin<input name="origin" value="${origin ?? ''}" maxlength="255" spellcheck="false" /></label>
<button>Filter</button>${view === undefined && origin === undefined && kind === undefined ? null : html`<a href="${visit.to('/activity')}">Clear</a>`}
</form>
${entries.length === 0 ? emptyState(next === undefined ? 'Nothing fits the filter' : 'Nothing recent fits the filter', html`<p>The ledger shows only what you may see.</p>`) : table(visit, entries)}
${next === undefined ? null : html`<nav class="pager" aria-label="Pages"><a rel="next" href="${visit.to(withQuery('/activity', { view, origin, kind, before: String(next) }))}">Older</a></nav>`}`,
  }
}

function table(visit: Visit, entries: readonly Activity[]): SafeHtml {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Activity"><table class="full activity">
<thead><tr><th scope="col">When</th><th scope="col">Who</th><th scope="col">What</th></tr></thead><tbody>
${entries.map(
  ({
    sequence,
    at,
    actor,
    client,
    event,
  }) => html`<tr id="entry-${sequence}"><td data-label="When">${timeAgo(visit, at)}</td><td data-label="Who" title="${client}">${actor ?? html`<span class="dim">the depot</span>`}</td><td data-label="What">${sentenceOf(visit, event, { at, client })}</td></tr>
`,
)}</tbody></table></div>`
}
