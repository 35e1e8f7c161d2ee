import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { fieldsOf } from '../../../events/event-fields.ts'
import type { LedgerEvent } from '../../../ledger/entry.ts'
import type { Revision } from '../../../revisions/history-store.ts'
import { counted } from '../../../text/counted.ts'
import type { PhaseStatus } from '../../../views/phase.ts'
import { packageLink, packagePath, releaseLink, viewLink } from '../html/parts.ts'
import type { Visit } from '../html/visit.ts'
import { actOf, moveLine, revisionPath } from '../view/moves.ts'

/** The number of moves of one promotion that the list shows. */
const SHOWN_MOVES = 3

const STATUS: Readonly<Record<PhaseStatus, string>> = {
  running: 'is running',
  passed: 'passed',
  failed: 'failed',
  skipped: 'was skipped',
  not_configured: 'is not configured',
}

type EventOf<K extends LedgerEvent['kind']> = Extract<LedgerEvent, { kind: K }>
type Sentences = {
  readonly [K in LedgerEvent['kind']]?: (event: EventOf<K>, visit: Visit) => SafeHtml
}

/** What happened, by the kind of the entry. Kinds that are absent show their fields. */
const SENTENCES: Sentences = {
  'release-published': (event, visit) =>
    html`published ${ident(visit, event.ident)}${event.source === undefined ? null : html`, from ${event.source}`}`,
  'release-announced': (event, visit) => html`learned of ${ident(visit, event.ident)} from upstream`,
  'release-deleted': (event) =>
    html`${event.cause === 'retention' ? 'removed, by retention,' : 'deleted'} ${event.ident}`,
  'release-yanked': (event, visit) => html`yanked ${ident(visit, event.ident)}${why(event.reason)}`,
  'release-unyanked': (event, visit) => html`ended the yank of ${ident(visit, event.ident)}`,
  'release-deprecated': (event, visit) => html`deprecated ${ident(visit, event.ident)}${why(event.reason)}`,
  'release-undeprecated': (event, visit) => html`ended the deprecation of ${ident(visit, event.ident)}`,
  'release-held': (event, visit) => html`held ${ident(visit, event.ident)}${why(event.reason)}`,
  'release-unheld': (event, visit) => html`ended the hold of ${ident(visit, event.ident)}`,
  'view-created': (event, visit) => html`created the view ${viewLink(visit, event.view)}`,
  'view-closed': (event, visit) => html`closed the view ${viewLink(visit, event.view)}`,
  'gates-set': (event, visit) => html`set the gates of ${viewLink(visit, event.view)}`,
  'view-frozen': (event, visit) =>
    html`froze ${packagesOf(event)}${viewLink(visit, event.view)}${why(event.reason)}`,
  'view-thawed': (event, visit) => html`thawed ${packagesOf(event)}${viewLink(visit, event.view)}`,
  'views-frozen': (event) => html`froze ${packagesOf(event)}every view${why(event.reason)}`,
  'views-thawed': (event) => html`thawed ${packagesOf(event)}every view`,
  'proposal-made': (event, visit) =>
    html`proposed a change of ${viewLink(visit, event.view)}${why(event.reason)}`,
  'proposal-ended': (event, visit) =>
    html`ended a proposal for ${viewLink(visit, event.view)}: ${event.how}${why(event.reason)}`,
  'preview-made': (event, visit) =>
    html`made ${viewLink(visit, event.view)}, a preview of ${viewLink(visit, event.base)}`,
  'origin-created': (event, visit) =>
    html`created the origin <a href="${visit.to(packagePath(event.origin))}">${event.origin}</a>`,
  'member-set': (event) =>
    event.role === null
      ? html`removed ${event.account} from ${event.origin}`
      : html`made ${event.account} ${event.role.replaceAll('_', ' ')} of ${event.origin}`,
  'key-added': (event) => html`added a key to ${event.origin}: ${event.origin}-${event.revision}`,
  'change-recorded': (event, visit) =>
    html`recorded the change ${change(visit, event)} of ${packageLink(visit, event.project)}`,
  'change-release-added': (event, visit) =>
    html`added ${ident(visit, event.ident)} to the change ${change(visit, event)}`,
  'phase-reported': (event, visit) =>
    html`reported that ${event.phase} ${STATUS[event.status]}${
      event.view === undefined ? null : html` in ${viewLink(visit, event.view)}`
    } for the change ${change(visit, event)}${why(event.message)}`,
}

/** Says what happened, without who did it. */
export function sentenceOf(visit: Visit, event: LedgerEvent, made: { at: number; client: string }): SafeHtml {
  if (event.kind === 'promotion')
    return promotion(visit, { ...event, ...made, account: undefined }, event.view)
  // The table pairs each kind with its event; a union type cannot express the pairing.
  const sentence = SENTENCES[event.kind] as ((event: LedgerEvent, visit: Visit) => SafeHtml) | undefined
  return sentence === undefined ? other(event) : sentence(event, visit)
}

function promotion(visit: Visit, revision: Revision, view: string): SafeHtml {
  const { pointers, joined, left } = revision
  const more = pointers.length - SHOWN_MOVES
  return html`${viewLink(visit, view)} <a href="${visit.to(revisionPath(view, revision.revision))}">revision ${revision.revision}</a>: ${actOf(visit, view, revision)}${why(revision.reason)}
<ul class="moves">${pointers.slice(0, SHOWN_MOVES).map((move) => moveLine(visit, move))}${
    more > 0
      ? html`<li class="dim">and ${more} more</li>`
      : pointers.length === 0
        ? html`<li class="dim">${counted(joined.length + left.length, 'release')}, and latest stays</li>`
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
