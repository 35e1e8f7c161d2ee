import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { parseIdent } from '../../../package/ident.ts'
import { compareReleases } from '../../../package/version.ts'
import type { TimedSpan } from '../../../revisions/membership-store.ts'
import { releaseLink, timeAgo, viewLink } from '../html/parts.ts'
import type { Visit } from '../html/visit.ts'

// A chart of what was latest in each view: a lane for each view, and a bar for each release. Lengths are in
// percent of the time that the chart covers, so it fits every window.

/** What was latest for a package in one view, newest first. */
export interface Lane {
  readonly view: string
  readonly spans: readonly TimedSpan[]
}

const BAR_HEIGHT = 24
/** Shorter bars are drawn this long, so that they can be seen and pointed at. */
const SHORTEST_PERCENT = 0.35
/** Shorter bars have no room for a version. It is in their title. */
const LABEL_PERCENT = 4

/** The chart, and the same as a table. `lanes` has only views that ever had the package. */
export function timeline(visit: Visit, lanes: readonly Lane[]): SafeHtml {
  const from = Math.min(...lanes.flatMap(({ spans }) => spans.map(({ since }) => since)))
  const at = (time: number) => ((time - from) / Math.max(1, visit.now - from)) * 100
  return html`<div class="lanes">
${lanes.map(
  ({ view, spans }) => html`<div class="lane-name">${viewLink(visit, view)}</div>
<svg class="lane" width="100%" height="${BAR_HEIGHT}" role="img" aria-label="${describe(view, spans)}">${spans.map((span, index) => bar(span, spans[index + 1], { at, now: visit.now }))}</svg>`,
)}
<div></div><div class="axis">${timeAgo(visit, from)}<span>now</span></div>
</div>
<details><summary>As a table</summary>${spanTable(visit, lanes)}</details>`
}

function bar(
  span: TimedSpan,
  before: TimedSpan | undefined,
  { at, now }: { at: (time: number) => number; now: number },
): SafeHtml {
  const start = at(span.since)
  const width = Math.max(SHORTEST_PERCENT, at(span.until ?? now) - start)
  const { version } = parseIdent(span.ident)
  const isLower = isLowered(span, before)
  return html`<svg x="${percent(start)}" width="${percent(width)}" height="${BAR_HEIGHT}"><title>${span.ident}, revision ${span.from}, since ${new Date(span.since).toISOString()}</title><rect class="${isLower ? 'bar lowered' : 'bar'}" width="100%" height="100%" /><rect class="edge" width="2" height="100%" />${width < LABEL_PERCENT ? null : html`<text x="7" y="16">${isLower ? `↓ ${version}` : version}</text>`}</svg>`
}

/** Reports whether a move of `latest` went to a lower release, as rollbacks do. */
function isLowered(span: TimedSpan, before: TimedSpan | undefined): boolean {
  return before !== undefined && compareReleases(parseIdent(span.ident), parseIdent(before.ident)) < 0
}

function percent(value: number): string {
  return `${Math.round(value * 100) / 100}%`
}

function describe(view: string, spans: readonly TimedSpan[]): string {
  const versions = spans.toReversed().map(({ ident }) => parseIdent(ident).version)
  return `${view} had ${versions.join(', then ')}`
}

function spanTable(visit: Visit, lanes: readonly Lane[]): SafeHtml {
  return html`<div class="scroll"><table><thead><tr><th scope="col">View</th><th scope="col">Release</th><th scope="col">Since</th><th scope="col">Until</th></tr></thead><tbody>
${lanes.flatMap(({ view, spans }) =>
  spans.map(
    (span, index) =>
      html`<tr><th scope="row">${viewLink(visit, view)}</th><td data-label="Release">${releaseLink(visit, span.ident)}${isLowered(span, spans[index + 1]) ? html` <b>lower</b>` : null}</td><td data-label="Since">${timeAgo(visit, span.since)}</td><td data-label="Until">${span.until === undefined ? 'now' : timeAgo(visit, span.until)}</td></tr>`,
  ),
)}</tbody></table></div>`
}
