import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { DEFAULT_TARGET } from '../../../package/target.ts'
import type { Target } from '../../../package/target.ts'
import type { ListedPackage } from '../../../releases/list-store.ts'
import type { ListedRelease } from '../../../releases/package-list-store.ts'
import { formatBytes } from '../../../text/columns.ts'
import { shellWord } from '../../../text/shell-quote.ts'
import { UNSTABLE } from '../../../views/view.ts'
import type { FleetFigures } from '../fleet/read-fleet.ts'
import { FLEET_REFRESH_SECONDS, fleetSection } from '../fleet/templates.ts'
import type { Content } from '../html/layout.ts'
import {
  badge,
  crumbs,
  emptyState,
  packageLink,
  packagePath,
  releaseLink,
  timeAgo,
  viewLink,
} from '../html/parts.ts'
import { withQuery } from '../html/query.ts'
import type { Visit } from '../html/visit.ts'
import { timeline } from './timeline.ts'
import type { Lane } from './timeline.ts'

/** The packages of an origin. */
export function originContent(
  visit: Visit,
  {
    origin,
    packages,
    next,
  }: { origin: string; packages: readonly ListedPackage[]; next: string | undefined },
): Content {
  return {
    title: origin,
    section: 'none',
    main: html`${crumbs([html`<a href="${visit.to('/')}">Pipeline</a>`])}
<h1>${origin}</h1>
${
  packages.length === 0
    ? emptyState(
        'No packages',
        html`<p>An upload makes the first one: <code>hart-depot upload results/*.hart</code></p>`,
      )
    : html`<div class="scroll"><table><thead><tr><th scope="col" data-sortable>Package</th><th scope="col">Targets</th><th scope="col">Views</th></tr></thead><tbody>${packages.map(
        ({ package: { name }, targets, views }) =>
          html`<tr><th scope="row">${packageLink(visit, `${origin}/${name}`)}</th><td data-label="Targets">${targets.join(', ')}</td><td data-label="Views">${viewList(visit, views)}</td></tr>`,
      )}</tbody></table></div>`
}
${next === undefined ? null : html`<nav class="pager" aria-label="Pages"><a rel="next" href="${visit.to(withQuery(packagePath(origin), { after: next }))}">Next page</a></nav>`}`,
  }
}

/** A package, as its page shows it. */
export interface ShownPackage {
  readonly origin: string
  /** `origin/name` */
  readonly name: string
  /** The target whose way through the views is shown. */
  readonly target: Target
  readonly targets: readonly Target[]
  readonly lanes: readonly Lane[]
  readonly fleet: FleetFigures | undefined
  readonly releases: readonly ListedRelease[]
  /** The cursor of the next page of releases. */
  readonly next: string | undefined
}

export function packageContent(visit: Visit, shown: ShownPackage): Content {
  const { origin, name, target, targets, lanes, fleet, releases, next } = shown
  return {
    title: name,
    section: 'none',
    follows: 'everything',
    refreshSeconds: fleet?.isCounting === true ? FLEET_REFRESH_SECONDS : undefined,
    main: html`${crumbs([html`<a href="${visit.to('/')}">Pipeline</a>`, html`<a href="${visit.to(packagePath(origin))}">${origin}</a>`])}
<h1>${name}</h1>
${targets.length < 2 ? null : targetLinks(visit, shown)}
<h2>Through the views${targets.length < 2 && target === DEFAULT_TARGET ? null : html` <small class="dim">for ${target}</small>`}</h2>
${lanes.length === 0 ? emptyState('No view has it yet', html`<p>Promote a release: <code>hart-depot promote acceptance ${shellWord(releases[0]?.ident ?? name)}</code></p>`) : timeline(visit, lanes)}
${fleetSection(visit, fleet, { names: 'View', command: `hart-depot fleet --hosts FILE --package ${name}` })}
<h2>Releases</h2>
${releaseTable(visit, releases)}
${next === undefined ? null : html`<nav class="pager" aria-label="Pages"><a rel="next" href="${visit.to(withQuery(packagePath(name), { target, cursor: next }))}">Older releases</a></nav>`}`,
  }
}

function targetLinks(visit: Visit, { name, target, targets }: ShownPackage): SafeHtml {
  return html`<p>${targets.map(
    (each) =>
      html`<a href="${visit.to(withQuery(packagePath(name), { target: each }))}"${each === target ? html` aria-current="true"` : null}>${each}</a> `,
  )}</p>`
}

function releaseTable(visit: Visit, releases: readonly ListedRelease[]): SafeHtml {
  const hasTargets = releases.some(({ target }) => target !== DEFAULT_TARGET)
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Releases"><table class="full">
<thead><tr><th scope="col">Release</th>${hasTargets ? html`<th scope="col">Target</th>` : null}<th scope="col">Published</th><th scope="col" class="number">Size</th><th scope="col">Signer</th><th scope="col">Views</th></tr></thead><tbody>
${releases.map(
  (
    release,
  ) => html`<tr><th scope="row">${releaseLink(visit, release.ident, release.target)}${releaseBadges(release)}</th>${hasTargets ? html`<td data-label="Target">${release.target}</td>` : null}<td data-label="Published">${timeAgo(visit, release.createdAt)}</td><td data-label="Size" class="number">${release.sizeBytes === 0 ? '' : formatBytes(release.sizeBytes)}</td><td data-label="Signer">${release.signer}</td><td data-label="Views">${viewList(visit, release.views)}</td></tr>
`,
)}</tbody></table></div>`
}

function releaseBadges({
  yanked,
  deprecated,
  visibility,
  isAnnounced,
}: Pick<ListedRelease, 'yanked' | 'deprecated' | 'visibility' | 'isAnnounced'>): SafeHtml {
  return html`${yanked === undefined ? null : html` ${badge('bad', 'yanked', yanked.reason)}`}${
    deprecated === undefined ? null : html` ${badge('warn', 'deprecated', deprecated.reason)}`
  }${visibility === 'public' ? null : html` ${badge('info', visibility)}`}${
    isAnnounced
      ? html` ${badge('plain', 'only announced', 'Its bytes come from upstream when they are needed')}`
      : null
  }`
}

function viewList(visit: Visit, views: readonly string[]): SafeHtml {
  const shown = views.filter((view) => view !== UNSTABLE)
  if (shown.length === 0) return html`<span class="none">${views.length === 0 ? '—' : UNSTABLE}</span>`
  return html`${shown.map((view, index) => html`${index === 0 ? null : ', '}${viewLink(visit, view)}`)}`
}
