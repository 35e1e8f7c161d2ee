import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { passes } from '../../../access/rights.ts'
import type { ChangeRecord } from '../../../changes/change-record.ts'
import { formatIdent, formatPackageName } from '../../../package/ident.ts'
import type { Target } from '../../../package/target.ts'
import type { Release } from '../../../releases/release.ts'
import type { Why, WhyInView } from '../../../revisions/why.ts'
import { formatBytes } from '../../../text/columns.ts'
import { signedInAs } from '../../requests/rights.ts'
import type { Content } from '../html/layout.ts'
import { badge, copyable, crumbs, packagePath, releasePath, timeAgo, viewLink } from '../html/parts.ts'
import { withQuery } from '../html/query.ts'
import type { Visit } from '../html/visit.ts'
import { marksPath } from './mark-templates.ts'

/** A release, as its page shows it. */
export interface ShownRelease {
  readonly release: Release
  readonly publisher: string
  readonly targets: readonly Target[]
  readonly why: Why
  /** Why retention keeps it, in sentences. */
  readonly reasons: readonly string[]
  readonly dependents: readonly string[]
  readonly hasMoreDependents: boolean
  readonly changes: readonly ChangeRecord[]
  /** The views in which the caller may change releases of this origin. */
  readonly changeable: ReadonlySet<string>
}

export function releaseContent(visit: Visit, shown: ShownRelease): Content {
  const { release, publisher, targets } = shown
  const ident = formatIdent(release.ident)
  const { origin, version, release: stamp } = release.ident
  const name = formatPackageName(release.ident)
  return {
    title: ident,
    section: 'none',
    follows: 'everything',
    main: html`${crumbs([html`<a href="${visit.to('/')}">Pipeline</a>`, html`<a href="${visit.to(packagePath(origin))}">${origin}</a>`, html`<a href="${visit.to(packagePath(name))}">${name}</a>`])}
<h1>${version} <small class="dim mono">${stamp}</small>${release.visibility === 'public' ? null : html` ${badge('info', release.visibility)}`}</h1>
${notices(visit, release)}
${copyable(ident)}
<dl class="facts">
<dt>Target</dt><dd>${targets.map((target) => (target === release.target ? html`<b>${target}</b> ` : html`<a href="${visit.to(releasePath(ident, target))}">${target}</a> `))}</dd>
<dt>Published</dt><dd>${timeAgo(visit, release.createdAt)} by ${publisher}${release.source === undefined ? null : html`, from ${release.source}`}</dd>
<dt>Signed by</dt><dd>${signature(visit, release)}</dd>
<dt>Checksum</dt><dd class="mono">${release.checksum} <button type="button" class="small" data-copy="${release.checksum}" hidden>Copy</button></dd>
<dt>Size</dt><dd>${release.sizeBytes === 0 ? 'unknown' : formatBytes(release.sizeBytes)} · <a href="${visit.to(`/v1/depot/pkgs/${ident}/download?target=${release.target}`)}">Download</a></dd>
${release.svcUser === undefined ? null : html`<dt>Runs as</dt><dd>${release.svcUser}${release.svcGroup === undefined ? null : html`, group ${release.svcGroup}`}</dd>`}
${release.exposes.length === 0 ? null : html`<dt>Ports</dt><dd>${release.exposes.join(', ')}</dd>`}
</dl>
<h2>Where it is</h2>
${where(visit, shown)}
${promoteForm(visit, shown)}
${markLink(visit, release)}
${changes(visit, shown.changes)}
<h2>Needs</h2>
${idents(visit, release.deps, 'nothing')}
${more(visit, 'Everything that it needs when it runs', release.tdeps, release.deps)}
${more(visit, 'Needed to build it', release.buildDeps, [])}
<h2>Needed by</h2>
${idents(visit, shown.dependents, 'no release that you may see')}${shown.hasMoreDependents ? html`<p class="hint">And more.</p>` : null}
${release.config === '' ? null : html`<h2>Configuration defaults</h2><pre class="block" tabindex="0"><code>${release.config}</code></pre>`}
${release.manifest === '' ? null : html`<details><summary>Manifest</summary><pre class="block" tabindex="0"><code>${release.manifest}</code></pre></details>`}`,
  }
}

function notices(visit: Visit, { yanked, deprecated, held, isAnnounced }: Release): SafeHtml {
  return html`${yanked === undefined ? null : html`<p class="notice bad"><b>Yanked</b> ${timeAgo(visit, yanked.since)}: ${yanked.reason}</p>`}${
    deprecated === undefined
      ? null
      : html`<p class="notice warn"><b>Deprecated</b> ${timeAgo(visit, deprecated.since)}: ${deprecated.reason}</p>`
  }${held === undefined ? null : html`<p class="notice"><b>Held</b>, so that retention keeps it: ${held.reason}</p>`}${
    isAnnounced
      ? html`<p class="notice">Upstream has this release. Its bytes have never been here.</p>`
      : null
  }`
}

function signature(visit: Visit, { signer, isVerified, ident }: Release): SafeHtml {
  if (signer === '') return html`<span class="dim">unknown</span>`
  const revision = signer.slice(ident.origin.length + 1)
  const key = html`<a href="${visit.to(`/v1/depot/origins/${ident.origin}/keys/${revision}`)}">${signer}</a>`
  return isVerified
    ? html`${key} ${badge('good', 'verified')}`
    : html`${signer} ${badge('warn', 'unknown signer', 'The depot did not have this key when the release was published')}`
}

/** A form that leads to the plan of promoting the release, for those who may. */
function promoteForm(visit: Visit, { release, changeable }: ShownRelease): SafeHtml | null {
  if (changeable.size === 0) return null
  return html`<form class="filters" action="${visit.to('/plans/new')}">
<input type="hidden" name="act" value="promote" /><input type="hidden" name="releases" value="${formatIdent(release.ident)} ${release.target}" />
<label>Promote into<select name="view">${[...changeable].map((name) => html`<option value="${name}">${name}</option>`)}</select></label><button>Plan it</button></form>`
}

/** Leads maintainers of the origin to the forms for its marks. */
function markLink(visit: Visit, release: Release): SafeHtml | null {
  if (!passes(() => signedInAs(visit, 'maintainer', release.ident.origin, 'manage'))) return null
  return html`<p class="actions"><a class="button" href="${visit.to(marksPath(release))}">Yank, deprecate or hold</a></p>`
}

function where(visit: Visit, { release, why, reasons, changeable }: ShownRelease): SafeHtml {
  const { views, proposals } = why
  return html`${
    views.length === 0
      ? html`<p>Only in ${viewLink(visit, 'unstable')}.</p>`
      : html`<div class="scroll"><table><thead><tr><th scope="col">View</th><th scope="col">Since</th><th scope="col">State</th>${changeable.size === 0 ? null : html`<th scope="col">Change</th>`}</tr></thead><tbody>${views.map((view) => viewRow(visit, view, { release, changeable }))}</tbody></table></div>`
  }${proposals.map(
    ({ view, account, createdAt }) =>
      html`<p class="notice warn">A proposal for ${viewLink(visit, view)} names it, made by ${account ?? 'the operator'} ${timeAgo(visit, createdAt)}.</p>`,
  )}${reasons.length === 0 ? null : html`<details><summary>Why it is kept</summary><ul>${reasons.map((reason) => html`<li>${reason}</li>`)}</ul></details>`}`
}

function viewRow(
  visit: Visit,
  { view, since, sinceRevision, isLatest, chains, hasHiddenDependents }: WhyInView,
  { release: { ident, target }, changeable }: Pick<ShownRelease, 'release' | 'changeable'>,
): SafeHtml {
  return html`<tr><th scope="row">${viewLink(visit, view.name)}</th><td data-label="Since">${timeAgo(visit, since)}, revision ${sinceRevision}</td><td data-label="State">${isLatest ? badge('good', 'latest') : html`<span class="dim">member</span>`}${
    chains.length === 0
      ? null
      : html` needed by ${chains.map(([first = ''], index) => html`${index === 0 ? null : ', '}<a href="${visit.to(packagePath(first))}">${first}</a>`)}`
  }${hasHiddenDependents ? html` <span class="dim">and by others</span>` : null}</td>${
    changeable.size === 0
      ? null
      : html`<td data-label="Change">${changeable.has(view.name) ? html`<a href="${visit.to(withQuery('/plans/new', { view: view.name, act: 'demote', releases: `${formatIdent(ident)} ${target}` }))}">Demote</a>` : null}</td>`
  }</tr>`
}

function changes(visit: Visit, records: readonly ChangeRecord[]): SafeHtml | null {
  if (records.length === 0) return null
  return html`<h2>Change</h2><ul>${records.map(
    ({ publicId, project, change, commit, state }) =>
      html`<li><a href="${visit.to(`/changes/${publicId}`)}">${project} ${change}</a>, commit <code>${commit.slice(0, 12)}</code> ${badge(state === 'passed' ? 'good' : state === 'failed' ? 'bad' : 'plain', state)}</li>`,
  )}</ul>`
}

function idents(visit: Visit, list: readonly string[], nothing: string): SafeHtml {
  if (list.length === 0)
    return html`<p class="dim">${nothing.slice(0, 1).toUpperCase()}${nothing.slice(1)}.</p>`
  return html`<ul class="moves">${list.map((ident) => html`<li>${identLink(visit, ident)}</li>`)}</ul>`
}

/** Links to a release; to a package if the ident has no release. */
function identLink(visit: Visit, ident: string): SafeHtml {
  const path = ident.split('/').length === 4 ? ident : ident.split('/').slice(0, 2).join('/')
  return html`<a href="${visit.to(packagePath(path))}">${ident}</a>`
}

function more(
  visit: Visit,
  title: string,
  list: readonly string[],
  shown: readonly string[],
): SafeHtml | null {
  if (list.length <= shown.length) return null
  return html`<details><summary>${title} (${list.length})</summary>${idents(visit, list, 'nothing')}</details>`
}
