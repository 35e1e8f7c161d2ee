import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { KINDS } from '../../../events/visibility.ts'
import type { wireDelivery, wirePing, wireWebhook } from '../../api/webhooks/wire.ts'
import type { Content } from '../html/layout.ts'
import { checkField, closedForm, postForm, textField } from '../html/forms.ts'
import type { Form } from '../html/forms.ts'
import { badge, copyable, emptyState, timeAgo } from '../html/parts.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import { MAX_NAMES_LENGTH } from '../html/query.ts'
import type { Visit } from '../html/visit.ts'
import { actButton, adminContent, confirmedAct, facts, link, pager, table } from './frame.ts'

type Webhook = ReturnType<typeof wireWebhook>
type Delivery = ReturnType<typeof wireDelivery>

const PATH = '/admin/webhooks'

export function webhooksContent(visit: Visit, webhooks: readonly Webhook[], next: string | null): Content {
  return adminContent(visit, {
    title: 'Webhooks',
    main: html`${
      webhooks.length === 0
        ? emptyState('No webhooks', html`<p>The form below adds one.</p>`)
        : table(
            'Webhooks',
            ['Name', 'State', 'Gets', 'Host', 'Behind'],
            webhooks.map((webhook) => [
              link(visit, webhookPath(webhook.name), webhook.name),
              stateOf(webhook),
              filterText(webhook),
              hostOf(webhook),
              webhook.behind,
            ]),
          )
    }${pager(next)}
<h2>Add a webhook</h2>
${postForm(
  visit,
  { path: PATH, className: 'stack change', isOnce: true },
  (form) => html`${textField(form, {
    name: 'name',
    label: 'Name',
    isRequired: true,
    maxLength: 64,
    pattern: ['[a-z0-9][a-z0-9_\\-]*', 'small letters, digits, - and _'],
  })}
${textField(form, { name: 'url', label: 'URL', type: 'url', isRequired: true, maxLength: 2_000, placeholder: 'https://chat.example.com/hooks/depot' })}
${filterFields(form, {})}
<div class="actions"><button class="primary">Add</button></div>`,
)}
<p class="hint">The next page shows the secret that signs the messages, once.</p>`,
  })
}

/** A webhook with a secret that was just made. The secret is on no other page. */
export function madeWebhookContent(
  visit: Visit,
  { webhook, secret }: { webhook: Webhook; secret: string },
): Content {
  const { previous_secret_until: until } = webhook
  return adminContent(visit, {
    title: `The secret of ${webhook.name}`,
    above: [link(visit, PATH, 'Webhooks')],
    main: html`<p class="notice good" role="status">Copy the secret now. It signs the messages, and the depot will not show it again.</p>
${copyable(secret)}
${until === null ? null : html`<p>The secret before it also signs until ${until.slice(0, 16).replace('T', ' ')} UTC.</p>`}
${factsOf(visit, webhook)}
<p>${link(visit, webhookPath(webhook.name), 'Its deliveries')}</p>`,
  })
}

/** The result of a test message. */
export type Ping = ReturnType<typeof wirePing>

export function webhookContent(
  visit: Visit,
  {
    webhook,
    deliveries,
    next,
    ping,
  }: { webhook: Webhook; deliveries: readonly Delivery[]; next: string | null; ping: Ping | undefined },
): Content {
  const path = webhookPath(webhook.name)
  const isPaused = webhook.paused !== null
  return adminContent(visit, {
    title: webhook.name,
    above: [link(visit, PATH, 'Webhooks')],
    main: html`${ping === undefined ? null : pingNotice(ping)}
${factsOf(visit, webhook)}
<div class="actions">${actButton(visit, { path, fields: { act: 'ping' }, label: 'Send a test message' })}${actButton(
      visit,
      { path, fields: { act: isPaused ? 'resume' : 'pause' }, label: isPaused ? 'Resume' : 'Pause' },
    )}</div>
${closedForm(
  visit,
  { path: `${path}/change`, label: 'Change it', className: 'stack change' },
  (
    form,
  ) => html`${textField(form, { name: 'url', label: 'URL', type: 'url', maxLength: 2_000, placeholder: 'as it is' })}
${filterFields(form, webhook.filter)}
<div class="actions"><button class="primary">Change</button></div>`,
)}
${closedForm(
  visit,
  { path: `${path}/replay`, label: 'Send entries of the ledger again', className: 'filters' },
  (form) => html`${textField(form, { name: 'from', label: 'From entry', isRequired: true, maxLength: 16 })}
${textField(form, { name: 'to', label: 'To entry', maxLength: 16, placeholder: String(webhook.position) })}<button>Send again</button>`,
)}
${confirmedAct(visit, { path, fields: { act: 'secret' }, isOnce: true, label: 'Make a new secret', effect: 'The next page shows it, once. The present secret also signs for 24 hours.' })}
${confirmedAct(visit, {
  path,
  fields: { act: 'remove' },
  label: 'Remove',
  effect: `The messages to ${hostOf(webhook)} stop, and the list of deliveries is lost.`,
})}
<h2>Deliveries</h2>
${
  deliveries.length === 0
    ? emptyState('Nothing was delivered yet', html`<p>The next change that fits the filter is sent.</p>`)
    : table(
        'Deliveries',
        ['Entry', 'When', 'Result', 'Attempt', 'Took', ''],
        deliveries.map((delivery) => [
          delivery.sequence,
          timeAgo(visit, Date.parse(delivery.at)),
          resultOf(delivery),
          delivery.attempt,
          `${delivery.duration_ms} ms`,
          againButton(visit, path, delivery.sequence),
        ]),
      )
}${pager(next)}
${sameCommands(commandsOf(visit, webhook))}`,
  })
}

function pingNotice({ accepted, status, error, duration_ms: took }: Ping): SafeHtml {
  const answer = status === null ? 'There was no answer' : `The receiver answered ${status}`
  return html`<p class="notice ${accepted ? 'good' : 'bad'}" role="status">${answer}, after ${took} ms${error === null ? '' : `: ${error}`}.</p>`
}

function againButton(visit: Visit, path: string, sequence: number): SafeHtml {
  const fields = { from: String(sequence), to: String(sequence) }
  return actButton(visit, { path: `${path}/replay`, fields, label: 'Send again' })
}

function filterFields(form: Form, { views, origins, kinds = [] }: Webhook['filter']): SafeHtml {
  return html`${textField(form, { name: 'views', label: 'Only of these views', value: views?.join(', '), maxLength: MAX_NAMES_LENGTH, placeholder: 'all' })}
${textField(form, { name: 'origins', label: 'Only of these origins', value: origins?.join(', '), maxLength: MAX_NAMES_LENGTH, placeholder: 'all' })}
<details><summary>Only some kinds of entries</summary><div class="filters">${KINDS.map((kind) =>
    checkField(form, {
      name: 'kinds',
      label: kind.replaceAll('-', ' '),
      value: kind,
      isChecked: kinds.includes(kind),
    }),
  )}</div></details>`
}

function commandsOf(visit: Visit, { name, position }: Webhook): string[] {
  const path = `/webhooks/${encodeURIComponent(name)}`
  const from = Math.max(1, position)
  return [
    `hart-depot webhook ping ${name}`,
    curlCommand(visit, { method: 'POST', path: `${path}/pings` }),
    `hart-depot webhook redeliver ${name} ${from}`,
    curlCommand(visit, { method: 'POST', path: `${path}/replays`, body: { from } }),
  ]
}

function factsOf(visit: Visit, webhook: Webhook): SafeHtml {
  return facts([
    ['State', stateOf(webhook)],
    ['URL', webhook.url ?? 'unreadable: it was encrypted with another secret key'],
    ['Gets', filterText(webhook)],
    ['Entries that wait', webhook.behind],
    [
      'Added',
      html`${timeAgo(visit, Date.parse(webhook.created_at))} by ${webhook.created_by ?? 'the command line'}`,
    ],
  ])
}

const WHY = {
  asked: 'by an administrator',
  failing: 'because the attempts failed for days',
  gone: 'because the receiver answered that it is gone',
} as const

function stateOf({ state, paused, attempts }: Webhook): SafeHtml {
  if (paused !== null) return html`${badge('warn', 'paused')} ${WHY[paused.why]}`
  return state === 'failing'
    ? html`${badge('bad', 'failing')} ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'} failed`
    : badge('good', 'delivering')
}

function resultOf({ status, error, answer }: Delivery): SafeHtml {
  if (error === null) return badge('good', `accepted, ${status ?? ''}`)
  return html`${badge('bad', status === null ? 'no answer' : `refused, ${status}`)} ${error}${answer === '' ? null : html`<details><summary>Answer</summary><pre class="block">${answer}</pre></details>`}`
}

function filterText({ filter: { views, origins, kinds } }: Webhook): string {
  return [
    kinds === undefined ? 'everything' : kinds.join(', ').replaceAll('-', ' '),
    views === undefined ? '' : `of ${views.join(', ')}`,
    origins === undefined ? '' : `of the origins ${origins.join(', ')}`,
  ]
    .filter((part) => part !== '')
    .join(' ')
}

/** URLs may hold secrets, so lists show their hosts alone. */
function hostOf({ url }: Webhook): string {
  return url === null ? 'unreadable' : new URL(url).host
}

export function webhookPath(name: string): string {
  return `${PATH}/${encodeURIComponent(name)}`
}
