import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { z } from 'zod'
import { ACTIONS } from '../../../access/access.ts'
import { expectMayManageTokensOf, passes } from '../../../access/rights.ts'
import type { Token as TokenShape } from '../../api/tokens/shapes.ts'
import type { Content } from '../html/layout.ts'
import { checkField, postForm, textField } from '../html/forms.ts'
import type { Form } from '../html/forms.ts'
import { mayAdministrate } from '../html/may-change.ts'
import { badge, copyable, emptyState, timeAgo } from '../html/parts.ts'
import { MAX_NAMES_LENGTH } from '../html/query.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import type { Visit } from '../html/visit.ts'
import { adminContent, confirmedAct, facts, link, pager, table } from './frame.ts'

type Token = z.infer<typeof TokenShape>

const PATH = '/admin/tokens'

/** The tokens of an account, or of all accounts, and the form for a new one. */
export function tokensContent(
  visit: Visit,
  { tokens, next, account }: { tokens: readonly Token[]; next: string | null; account: string | undefined },
): Content {
  const isOwn = account === visit.caller?.accountName
  return adminContent(visit, {
    title: account === undefined ? 'All tokens' : isOwn ? 'Your tokens' : `Tokens of ${account}`,
    above: isOwn ? [] : [link(visit, PATH, 'Your tokens')],
    main: html`${mayAdministrate(visit.caller) && account !== undefined ? html`<p>${link(visit, `${PATH}?all=true`, 'The tokens of all accounts')}</p>` : null}
${tokens.length === 0 ? emptyState('No tokens', html`<p>The form below makes one.</p>`) : list(visit, tokens)}${pager(next)}
${mayMake(visit, account) ? newTokenForm(visit, account) : null}`,
  })
}

function mayMake({ caller }: Visit, account: string | undefined): boolean {
  return caller !== undefined && passes(() => expectMayManageTokensOf(caller, account ?? caller.accountName))
}

function newTokenForm(visit: Visit, account: string | undefined): SafeHtml {
  return html`<h2>Make a token</h2>
${postForm(
  visit,
  { path: PATH, className: 'stack change', isOnce: true },
  (
    form,
  ) => html`${mayAdministrate(visit.caller) ? textField(form, { name: 'account', label: 'Account', value: account }) : null}
${textField(form, { name: 'label', label: 'Label', maxLength: 200, placeholder: 'What the token is for', isProse: true })}
${narrowingFields(form, 'no box ticked: all of them')}
<div class="actions"><button class="primary">Make the token</button></div>`,
)}
<p class="hint">The next page shows the token, once. A token has at most the rights of its account.</p>
${sameCommands([
  `hart-depot token add ${account ?? visit.caller?.accountName ?? 'ACCOUNT'} --action read`,
  curlCommand(visit, { method: 'POST', path: '/tokens', body: { label: 'ci', actions: ['read'] } }),
])}`
}

function list(visit: Visit, tokens: readonly Token[]): SafeHtml {
  return table(
    'Tokens',
    ['Token', 'Account', 'State', 'May', 'Last used', 'Made', 'Expires'],
    tokens.map((token) => [
      link(visit, `${PATH}/${token.id}`, token.label === '' ? `token ${token.id}` : token.label),
      token.account,
      html`${stateOf(token)}${token.current ? html` ${badge('info', 'this session')}` : null}`,
      mayText(token),
      time(visit, token.last_used_at, 'never'),
      time(visit, token.created_at, ''),
      time(visit, token.expires_at, 'never'),
    ]),
  )
}

/** A token, with the forms that narrow and revoke it. */
export function tokenContent(visit: Visit, token: Token): Content {
  const path = `${PATH}/${token.id}`
  const isUsable = token.state !== 'revoked'
  return adminContent(visit, {
    title: token.label === '' ? `Token ${token.id}` : token.label,
    above: [link(visit, PATH, 'Your tokens')],
    main: html`${factsOf(visit, token)}
${
  isUsable
    ? html`<h2>Narrow this token</h2>
${postForm(
  visit,
  { path: `${path}/narrow`, className: 'stack change' },
  (form) => html`${narrowingFields(form, 'no box ticked: as now')}
<div class="actions"><button>Narrow</button></div>`,
)}
<p class="hint">Empty fields keep what the token has. A token never gains rights: make another one for that.</p>
<h2>Revoke this token</h2>
${confirmedAct(visit, {
  path: `${path}/revoke`,
  fields: {},
  label: 'Revoke',
  effect: token.current
    ? 'This session ends at once, because it was opened with this token. The token never works again.'
    : 'Everything that uses this token is refused at once. The token never works again.',
})}`
    : null
}`,
  })
}

/** A token that was just made. Its secret is on no other page. */
export function madeTokenContent(visit: Visit, token: Token, secret: string): Content {
  return adminContent(visit, {
    title: 'A new token',
    above: [link(visit, PATH, 'Your tokens')],
    main: html`<p class="notice good" role="status">Copy the token now. No other page shows it.</p>
${copyable(secret)}
${factsOf(visit, token)}
<p>${link(visit, `${PATH}/${token.id}`, 'Narrow or revoke it')}</p>`,
  })
}

function factsOf(visit: Visit, token: Token): SafeHtml {
  return facts([
    ['Label', token.label],
    ['Account', token.account],
    ['State', html`${stateOf(token)}${token.current ? html` ${badge('info', 'this session')}` : null}`],
    ['Actions', token.actions?.join(', ') ?? 'all'],
    ['Origins', token.origins?.join(', ') ?? 'all'],
    ['Views', token.views?.join(', ') ?? 'all'],
    ['Last used', time(visit, token.last_used_at, 'never')],
    ['Made', time(visit, token.created_at, '')],
    ['Expires', time(visit, token.expires_at, 'never')],
    ...(token.revoked_at === null ? [] : [['Revoked', time(visit, token.revoked_at, '')] as const]),
  ])
}

function narrowingFields(form: Form, unticked: string): SafeHtml {
  return html`<fieldset><legend>Only these actions (${unticked})</legend><div class="filters">${ACTIONS.map(
    (action) => checkField(form, { name: 'actions', label: action, value: action }),
  )}</div></fieldset>
${textField(form, { name: 'origins', label: 'Only these origins', maxLength: MAX_NAMES_LENGTH, placeholder: 'all' })}
${textField(form, { name: 'views', label: 'Only these views', maxLength: MAX_NAMES_LENGTH, placeholder: 'all' })}
${textField(form, { name: 'expires', label: 'Expires', maxLength: 40, placeholder: 'never; or 90d, 12h, 2027-01-31' })}`
}

const STATES = { active: 'good', expired: 'warn', revoked: 'plain', disabled: 'bad' } as const

function stateOf({ state }: Token): SafeHtml {
  return badge(STATES[state], state === 'disabled' ? 'account disabled' : state)
}

function mayText({ actions, origins, views }: Token): string {
  const parts = [
    actions?.join(', '),
    origins === null ? undefined : `in ${origins.join(', ')}`,
    views === null ? undefined : `for ${views.join(', ')}`,
  ].filter((part) => part !== undefined)
  return parts.length === 0 ? 'everything' : parts.join(' ')
}

function time(visit: Visit, at: string | null, absent: string): SafeHtml | string {
  return at === null ? absent : timeAgo(visit, Date.parse(at))
}
