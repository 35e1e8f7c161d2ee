import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { DEFAULT_TARGET } from '../../../package/target.ts'
import type { Target } from '../../../package/target.ts'
import { counted } from '../../../text/counted.ts'
import { formatDuration, packageLink, releaseLink, timeAgo, viewLink } from '../html/parts.ts'
import type { Visit } from '../html/visit.ts'
import type { FleetFigures, LineFigures } from './read-fleet.ts'
import { uptakeChart } from './uptake-chart.ts'

/** The seconds after which a page with figures is read again, because no commit tells of polls. */
export const FLEET_REFRESH_SECONDS = 15

/** How long after the move a chart ends. Pollers that come later are new ones. */
const CHART_MS = 60 * 60_000

/**
 * How many pollers have which release, as a section of a page. `names` says what the rows are: packages on
 * the page of a view, views on the page of a package.
 */
export function fleetSection(
  visit: Visit,
  fleet: FleetFigures | undefined,
  { names, command }: { names: 'Package' | 'View'; command: string },
): SafeHtml | null {
  if (fleet === undefined) return null
  return html`<div id="fleet"><h2>Pollers</h2>
${fleet.isCounting ? countedFigures(visit, fleet, names) : html`<p class="hint">This depot does not count pollers. With <code>DEPOT_COUNT_POLLERS=on</code>, this place shows how many of them got each release.</p>`}
<p class="hint">A poller is an address that asked for the package in the last five to ten minutes, not a host: hosts may share an address, and of a group with rolling updates only the leader asks. <code>${command}</code> asks the hosts themselves what they run.</p></div>`
}

function countedFigures(visit: Visit, { lines, others, since }: FleetFigures, names: 'Package' | 'View') {
  if (lines.length === 0)
    return html`<p>No poller has asked lately. Figures are counted since ${timeAgo(visit, since)}.</p>`
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Pollers"><table class="full">
<caption class="visually-hidden">How many pollers got the latest release</caption>
<thead><tr><th scope="col">${names}</th><th scope="col">Latest release</th><th scope="col">Since</th><th scope="col" class="number">Pollers</th><th scope="col" class="number">Got it</th><th scope="col">After it became the latest</th></tr></thead><tbody>
${lines.map((line) => row(visit, line, names))}</tbody></table></div>
${others === 0 ? null : html`<p class="hint">${counted(others, 'more package')} ${others === 1 ? 'is' : 'are'} polled: <code>hart-depot pollers</code> lists all.</p>`}`
}

function row(visit: Visit, line: LineFigures, names: 'Package' | 'View'): SafeHtml {
  const { view, package: name, target, ident, movedAt, pollers, upToDate } = line
  const ofTarget = target === DEFAULT_TARGET ? null : html` <span class="dim">${target}</span>`
  return html`<tr id="fleet:${view}:${name}:${target}"><th scope="row">${names === 'View' ? viewLink(visit, view) : packageLink(visit, name)}${ofTarget}</th><td data-label="Latest release">${releaseLink(visit, ident, target as Target)}</td><td data-label="Since">${timeAgo(visit, movedAt)}</td><td data-label="Pollers" class="number">about ${pollers}</td><td data-label="Got it" class="number" data-cell="${upToDate}">about ${upToDate}${pollers === 0 ? null : html` <span class="dim">${Math.min(100, Math.round((100 * upToDate) / pollers))} %</span>`}</td><td data-label="Afterwards">${chartOf(visit, line)}</td></tr>
`
}

function chartOf(visit: Visit, { uptake, movedAt, pollers, upToDate }: LineFigures): SafeHtml | null {
  if (uptake === undefined) return html`<span class="dim">the depot has started to count after that</span>`
  if (uptake.length === 0) return html`<span class="dim">no poller has got it yet</span>`
  const points = uptake.filter(({ at }) => at - movedAt <= CHART_MS)
  const last = points.at(-1)
  if (last === undefined) return null
  const text = `About ${last.pollers} got it within ${formatDuration(last.at - movedAt)}.`
  return html`${uptakeChart({ points, from: movedAt, now: visit.now, most: Math.max(pollers, upToDate), text })}
<details><summary>${text}</summary><table><thead><tr><th scope="col">After</th><th scope="col" class="number">Pollers that got it</th></tr></thead><tbody>${points.map(
    (point) =>
      html`<tr><th scope="row">${formatSeconds(point.at - movedAt)}</th><td class="number">about ${point.pollers}</td></tr>`,
  )}</tbody></table></details>`
}

function formatSeconds(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
