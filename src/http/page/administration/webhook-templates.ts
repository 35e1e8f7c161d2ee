import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { KINDS } from '../../../events/visibility.ts'
import type { wireDelivery, wireWebhook } from '../../api/webhooks/wire.ts'
import type { Content } from '../html/layout.ts'
import { badge, copyable, emptyState, formToken, timeAgo } from '../html/parts.ts'
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
              link(visit, pathOf(webhook.name), webhook.name),
              stateOf(webhook),
              filterText(webhook),
              hostOf(webhook),
              webhook.behind,
            ]),
          )
    }${pager(next)}
<h2>Add a webhook</h2>
<form class="stack change" method="post" action="${visit.to(PATH)}">${formToken(visit)}
<label>Name<input name="name" required maxlength="64" pattern="[a-z0-9][a-z0-9_\\-]*" title="small letters, digits, - and _" spellcheck="false" autocomplete="off" /></label>
<label>URL<input name="url" type="url" required maxlength="2000" placeholder="https://chat.example.com/hooks/depot" autocomplete="off" /></label>
<label>Only of these views<input name="views" maxlength="600" placeholder="all" spellcheck="false" /></label>
<label>Only of these origins<input name="origins" maxlength="600" placeholder="all" spellcheck="false" /></label>
<label>What<select name="kind"><option value="">everything</option>${KINDS.map((kind) => html`<option value="${kind}">${kind.replaceAll('-', ' ')}</option>`)}</select></label>
<div class="actions"><button class="primary">Add</button></div></form>
<p class="hint">The next page shows the secret that signs the messages, once.</p>`,
  })
}

/** A webhook that was just made. Its secret is on no other page. */
export function madeWebhookContent(visit: Visit, webhook: Webhook, secret: string): Content {
  return adminContent(visit, {
    title: `The webhook ${webhook.name}`,
    above: [link(visit, PATH, 'Webhooks')],
    main: html`<p class="notice good" role="status">Copy the secret now. It signs the messages, and the depot will not show it again.</p>
${copyable(secret)}
${factsOf(visit, webhook)}
<p>${link(visit, pathOf(webhook.name), 'Its deliveries')}</p>`,
  })
}

export function webhookContent(
  visit: Visit,
  webhook: Webhook,
  { deliveries, next }: { deliveries: readonly Delivery[]; next: string | null },
): Content {
  const path = pathOf(webhook.name)
  const isPaused = webhook.paused !== null
  return adminContent(visit, {
    title: webhook.name,
    above: [link(visit, PATH, 'Webhooks')],
    main: html`${factsOf(visit, webhook)}
<div class="actions">${actButton(visit, {
      path,
      fields: { act: isPaused ? 'resume' : 'pause' },
      label: isPaused ? 'Resume' : 'Pause',
    })}${confirmedAct(visit, {
      path,
      fields: { act: 'remove' },
      label: 'Remove',
      effect: `The messages to ${hostOf(webhook)} stop, and the list of deliveries is lost.`,
    })}</div>
<h2>Deliveries</h2>
${
  deliveries.length === 0
    ? emptyState('Nothing was delivered yet', html`<p>The next change that fits the filter is sent.</p>`)
    : table(
        'Deliveries',
        ['Entry', 'When', 'Result', 'Attempt', 'Took'],
        deliveries.map((delivery) => [
          delivery.sequence,
          timeAgo(visit, Date.parse(delivery.at)),
          resultOf(delivery),
          delivery.attempt,
          `${delivery.duration_ms} ms`,
        ]),
      )
}${pager(next)}`,
  })
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

function pathOf(name: string): string {
  return `${PATH}/${encodeURIComponent(name)}`
}
