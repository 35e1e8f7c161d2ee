import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { ChangeRecord } from '../../../changes/change-record.ts'
import type { ListedPackage } from '../../../releases/list-store.ts'
import { UNSTABLE } from '../../../views/view.ts'
import type { Content } from '../html/layout.ts'
import { emptyState, packageLink, packagePath, timeAgo, viewLink } from '../html/parts.ts'
import type { Visit } from '../html/visit.ts'

/** What a search found. */
export interface Found {
  readonly q: string
  readonly packages: readonly ListedPackage[]
  readonly hasMorePackages: boolean
  readonly origins: readonly string[]
  readonly views: readonly string[]
  readonly changes: readonly ChangeRecord[]
  readonly people: readonly string[]
  /** Why the words cannot be searched for. */
  readonly fault: string | undefined
}

export function searchContent(visit: Visit, found: Found): Content {
  const { q, packages, origins, views, changes, people, fault } = found
  const isEmpty = [packages, origins, views, changes, people].every(({ length }) => length === 0)
  return {
    title: q === '' ? 'Search' : `Search for ${q}`,
    section: 'search',
    main: html`<h1>${q === '' ? 'Search' : html`Search for “${q}”`}</h1>
<form class="filters" action="${visit.to('/search')}"><label>Words, an ident, or a checksum<input class="long" name="q" value="${q}" maxlength="200" spellcheck="false" /></label><button class="primary">Search</button></form>
${fault === undefined ? null : html`<p class="notice bad" role="alert">${fault}</p>`}
${q === '' || fault !== undefined ? help() : isEmpty ? html`${emptyState('Nothing was found', html`<p>The search finds what you may see. Every word must occur in the name.</p>`)}${help()}` : null}
${list(
  'Views',
  views.map((view) => viewLink(visit, view)),
)}
${list(
  'Origins',
  origins.map((origin) => html`<a href="${visit.to(packagePath(origin))}">${origin}</a>`),
)}
${packageTable(visit, found)}
${list(
  'Changes',
  changes.map(
    ({ publicId, project, change, at }) =>
      html`<a href="${visit.to(`/changes/${publicId}`)}">${project} ${change}</a> <span class="dim">${timeAgo(visit, at)}</span>`,
  ),
)}
${list(
  'People',
  people.map((name) => html`${name}`),
)}`,
  }
}

function list(title: string, items: readonly SafeHtml[]): SafeHtml | null {
  return items.length === 0
    ? null
    : html`<h2>${title}</h2><ul>${items.map((item) => html`<li>${item}</li>`)}</ul>`
}

function packageTable(visit: Visit, { packages, hasMorePackages }: Found): SafeHtml | null {
  if (packages.length === 0) return null
  return html`<h2>Packages</h2>
<div class="scroll"><table><thead><tr><th scope="col">Package</th><th scope="col">Views</th><th scope="col">Targets</th></tr></thead><tbody>
${packages.map(
  ({ package: { origin, name }, views, targets }) =>
    html`<tr><th scope="row">${packageLink(visit, `${origin}/${name}`)}</th><td data-label="Views">${views
      .filter((view) => view !== UNSTABLE)
      .map(
        (view, index) => html`${index === 0 ? null : ', '}${viewLink(visit, view)}`,
      )}</td><td data-label="Targets" class="dim">${targets.join(', ')}</td></tr>`,
)}</tbody></table></div>
${hasMorePackages ? html`<p class="hint">There are more. Add a word, or a field such as <code>origin:acme</code>.</p>` : null}`
}

function help(): SafeHtml {
  return html`<p class="hint">Words occur anywhere in the names of packages. Fields match whole values, or beginnings with a star: <code>origin:acme</code>, <code>version:1.2*</code>, <code>target:x86_64-linux</code>, <code>signed-by:acme-20260101000000</code>, <code>in:delivered</code>. A whole ident, a checksum, or a revision such as <code>delivered@12</code> leads to its page.</p>`
}
