import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { fieldsOf } from '../../../events/event-fields.ts'
import type { LedgerEvent } from '../../../ledger/entry.ts'
import type { Revision } from '../../../revisions/history-store.ts'
import { packageLink, packagePath, releaseLink, viewLink } from '../html/parts.ts'
import type { Visit } from '../html/visit.ts'
import { actOf, moveLine, revisionPath } from '../view/moves.ts'

/** The number of moves of one promotion that the list shows. */
const SHOWN_MOVES = 3

/** Says what happened, without who did it. */
export function sentenceOf(visit: Visit, event: LedgerEvent, made: { at: number; client: string }): SafeHtml {
  switch (event.kind) {
    case 'promotion':
      return promotion(visit, { ...event, at: made.at, client: made.client, account: undefined }, event.view)
    case 'release-published':
      return html`published ${ident(visit, event.ident)}${event.source === undefined ? null : html`, from ${event.source}`}`
    case 'release-announced':
      return html`learned of ${ident(visit, event.ident)} from upstream`
    case 'release-deleted':
      return html`${event.cause === 'retention' ? 'removed, by retention,' : 'deleted'} ${event.ident}`
    case 'release-yanked':
      return html`yanked ${ident(visit, event.ident)}${why(event.reason)}`
    case 'release-unyanked':
      return html`ended the yank of ${ident(visit, event.ident)}`
    case 'release-deprecated':
      return html`deprecated ${ident(visit, event.ident)}${why(event.reason)}`
    case 'release-undeprecated':
      return html`ended the deprecation of ${ident(visit, event.ident)}`
    case 'view-created':
      return html`created the view ${viewLink(visit, event.view)}`
    case 'view-closed':
      return html`closed the view ${viewLink(visit, event.view)}`
    case 'gates-set':
      return html`set the gates of ${viewLink(visit, event.view)}`
    case 'view-frozen':
      return html`froze ${packagesOf(event)}${viewLink(visit, event.view)}${why(event.reason)}`
    case 'view-thawed':
      return html`thawed ${packagesOf(event)}${viewLink(visit, event.view)}`
    case 'views-frozen':
      return html`froze ${packagesOf(event)}every view${why(event.reason)}`
    case 'views-thawed':
      return html`thawed ${packagesOf(event)}every view`
    case 'proposal-made':
      return html`proposed a change of ${viewLink(visit, event.view)}${why(event.reason)}`
    case 'proposal-ended':
      return html`ended a proposal for ${viewLink(visit, event.view)}: ${event.how}${why(event.reason)}`
    case 'preview-made':
      return html`made ${viewLink(visit, event.view)}, a preview of ${viewLink(visit, event.base)}`
    case 'origin-created':
      return html`created the origin <a href="${visit.to(packagePath(event.origin))}">${event.origin}</a>`
    case 'member-set':
      return event.role === null
        ? html`removed ${event.account} from ${event.origin}`
        : html`made ${event.account} ${event.role.replaceAll('_', ' ')} of ${event.origin}`
    case 'key-added':
      return html`added a key to ${event.origin}: ${event.origin}-${event.revision}`
    case 'change-recorded':
      return html`recorded the change ${change(visit, event)} of ${packageLink(visit, event.project)}`
    case 'change-release-added':
      return html`added ${ident(visit, event.ident)} to the change ${change(visit, event)}`
    case 'phase-reported':
      return html`reported that ${event.phase} ${event.status.replaceAll('_', ' ')}${
        event.view === undefined ? null : html` in ${viewLink(visit, event.view)}`
      } for the change ${change(visit, event)}${why(event.message)}`
    default:
      return other(event)
  }
}

function promotion(visit: Visit, revision: Revision, view: string): SafeHtml {
  const { pointers, joined, left } = revision
  const more = pointers.length - SHOWN_MOVES
  return html`${actOf(visit, view, revision)}, in ${viewLink(visit, view)}: <a href="${visit.to(revisionPath(view, revision.revision))}">revision ${revision.revision}</a>${why(revision.reason)}
<ul class="moves">${pointers.slice(0, SHOWN_MOVES).map((move) => moveLine(visit, move))}${
    more > 0
      ? html`<li class="dim">and ${more} more</li>`
      : pointers.length === 0
        ? html`<li class="dim">${joined.length + left.length} releases, and latest stays</li>`
        : null
  }</ul>`
}

function ident(visit: Visit, text: string): SafeHtml {
  return html`${text.split('/').slice(0, 2).join('/')} ${releaseLink(visit, text)}`
}

function change(visit: Visit, { record, change: name }: { record: string; change: string }): SafeHtml {
  return html`<a href="${visit.to(`/changes/${encodeURIComponent(record)}`)}">${name}</a>`
}

function packagesOf({ origin, name }: { origin?: string; name?: string }): string {
  if (origin === undefined && name === undefined) return ''
  return `${[origin ?? '*', name ?? '*'].join('/')} in `
}

function why(reason: string | null | undefined): SafeHtml | null {
  return reason === null || reason === undefined ? null : html` <span class="dim">— ${reason}</span>`
}

/** The kind of an entry and its fields, for kinds that have no sentence. */
function other(event: LedgerEvent): SafeHtml {
  const fields = Object.entries(fieldsOf(event)).flatMap(([name, value]) =>
    typeof value === 'string' || typeof value === 'number' ? [`${name.replaceAll('_', ' ')} ${value}`] : [],
  )
  return html`${event.kind.replaceAll('-', ' ')}${fields.length === 0 ? null : html` <span class="dim">${fields.join(', ')}</span>`}`
}
