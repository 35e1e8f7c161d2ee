import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { PointerMove } from '../../../ledger/entry.ts'
import { parseIdent } from '../../../package/ident.ts'
import type { ReleaseName } from '../../../package/ident.ts'
import { DEFAULT_TARGET } from '../../../package/target.ts'
import { compareReleases } from '../../../package/version.ts'
import type { Revision } from '../../../revisions/history-store.ts'
import { packageLink, packagePath, releaseLink, viewLink, viewPath } from '../html/parts.ts'
import type { Visit } from '../html/visit.ts'

/** Says what somebody did to make a revision. */
export function actOf(
  visit: Visit,
  view: string,
  { act, of, only, source, rule, cause }: Revision,
): SafeHtml {
  const where =
    only === undefined
      ? null
      : html` of ${[only.origin, only.name].filter((part) => part !== undefined).join('/')}`
  const revision =
    of === undefined ? null : html`<a href="${visit.to(revisionPath(view, of))}">revision ${of}</a>`
  switch (act) {
    case 'promote':
      if (cause === 'upload') return html`uploaded`
      if (cause === 'refresh') return html`refreshed from upstream`
      if (source === undefined) return html`promoted`
      return 'lockfile' in source
        ? html`promoted a lockfile`
        : html`promoted from ${viewLink(visit, source.view)} at <a href="${visit.to(revisionPath(source.view, source.revision))}">revision ${source.revision}</a>`
    case 'demote':
      return cause === 'retention' ? html`removed by retention` : html`demoted`
    case 'rollback':
      return html`rolled back${where} to ${revision}`
    case 'revert':
      return html`reverted ${revision}${where}`
    case 'set-rule':
      return html`changed the rule to ${rule ?? ''}`
    case 'yank':
      return html`yanked`
    case 'unyank':
      return html`ended a yank`
    default:
      return act satisfies never
  }
}

export function revisionPath(view: string, revision: number): string {
  return `${viewPath(view)}/revisions/${revision}`
}

/** A line of a list of moves: `acme/app 1.0.0 → 1.1.0`, `acme/app 1.0.0 new` or `acme/app 1.0.0 removed`. */
export function moveLine(visit: Visit, { package: name, target, from, to }: PointerMove): SafeHtml {
  const ofTarget = target === DEFAULT_TARGET ? null : html` <span class="dim">${target}</span>`
  return html`<li>${packageLink(visit, name)} ${moveOf(visit, from, to)}${ofTarget}</li>`
}

function moveOf(visit: Visit, from: string | null, to: string | null): SafeHtml {
  if (from === null) return html`${versionLink(visit, to)} <span class="dim">new</span>`
  if (to === null) return html`${versionLink(visit, from)} <b>removed</b>`
  const isLower = compareReleases(parseIdent(to), parseIdent(from)) < 0
  return html`${versionLink(visit, from)} <span aria-hidden="true">→</span><span class="visually-hidden">became</span> ${versionLink(visit, to)}${isLower ? html` <b>lower</b>` : null}`
}

function versionLink(visit: Visit, ident: string | null): SafeHtml | null {
  if (ident === null) return null
  return html`<a href="${visit.to(packagePath(ident))}" title="${ident}">${parseIdent(ident).version}</a>`
}

/** Lists releases that joined or left without moving `latest`. */
export function quietReleases(visit: Visit, releases: readonly ReleaseName[], word: string): SafeHtml | null {
  if (releases.length === 0) return null
  return html`<h2>${word}</h2><ul>${releases.map(
    ({ ident, target }) =>
      html`<li>${ident.split('/').slice(0, 2).join('/')} ${releaseLink(visit, ident)}${target === DEFAULT_TARGET ? null : html` <span class="dim">${target}</span>`}</li>`,
  )}</ul>`
}

/** Returns the releases that are in no move of `latest`. */
export function withoutMoves(
  releases: readonly ReleaseName[],
  pointers: readonly PointerMove[],
  end: 'from' | 'to',
): ReleaseName[] {
  const moved = new Set(pointers.map((move) => `${move[end]} ${move.target}`))
  return releases.filter(({ ident, target }) => !moved.has(`${ident} ${target}`))
}
