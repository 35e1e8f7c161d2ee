import { html } from '@remix-run/html-template'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { listAccounts } from '../../../accounts/account-store.ts'
import type { Account } from '../../../accounts/account-store.ts'
import { placeIn } from '../../api/conventions/pages.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { checkField, postForm, textField } from '../html/forms.ts'
import { badge, timeAgo } from '../html/parts.ts'
import { Once, onceKey } from '../html/once.ts'
import { OptionalText, withQuery } from '../html/query.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import type { Visit } from '../html/visit.ts'
import {
  Csrf,
  FIRST_PAGE,
  ListQuery,
  actButton,
  adminContent,
  confirmedAct,
  cutList,
  link,
  pager,
  table,
} from './frame.ts'

const PATH = '/admin/accounts'
const AccountForm = z.object({
  ...Csrf,
  ...Once,
  account: z.string().trim().min(1).max(255),
  email: OptionalText,
  administrator: z.literal('1').optional(),
})
const StateForm = z.object({ ...Csrf, state: z.enum(['disabled', 'enabled']) })
const onRequest = administratorOnly

/** Pages for accounts. */
export function accountPages(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { db, writer } = depot

  const show = async (request: FastifyRequest, reply: FastifyReply, query: ListQuery) => {
    const { visit } = request
    const listKey = { list: 'accounts' }
    const after = placeIn(query, listKey, z.string())
    const found = await listAccounts(db, { after, limit: query.limit + 1 })
    const { items, next } = cutList(request.visit, query, {
      items: found,
      listKey,
      placeOf: ({ name }) => name,
      path: PATH,
    })
    return reply.page(
      adminContent(visit, {
        title: 'Accounts',
        main: html`${table(
          'Accounts',
          ['Account', 'State', 'Email', 'Since', 'Tokens', 'Change'],
          items.map((account) => [
            account.name,
            stateOf(account),
            account.email ?? '',
            timeAgo(visit, account.createdAt),
            link(visit, withQuery('/admin/tokens', { account: account.name }), 'tokens'),
            account.name === visit.caller?.accountName ? '' : stateChange(visit, account),
          ]),
        )}${pager(next)}
<h2>Add an account</h2>
${postForm(
  visit,
  { path: PATH, className: 'filters', isOnce: true },
  (form) => html`${textField(form, { name: 'account', label: 'Name', isRequired: true, maxLength: 100 })}
${textField(form, { name: 'email', label: 'Email', type: 'email' })}
${checkField(form, { name: 'administrator', label: 'administrator of the depot' })}<button>Add</button>`,
)}
<p class="hint">A new account has no token and no role. Give it a role in an origin, and a token.</p>
${sameCommands([
  'hart-depot account add NAME',
  curlCommand(visit, { method: 'POST', path: '/accounts', body: { name: 'NAME' } }),
  'hart-depot account disable NAME',
  'hart-depot account enable NAME',
])}`,
      }),
    )
  }
  const showForm = async (request: FastifyRequest, reply: FastifyReply) => show(request, reply, FIRST_PAGE)

  pages.get(PATH, { schema: { querystring: ListQuery }, onRequest }, async (request, reply) =>
    show(request, reply, request.query),
  )

  pages.post(
    PATH,
    { schema: { body: AccountForm }, onRequest, config: { showForm } },
    async (request, reply) => {
      const { account: name, email, administrator } = request.body
      request.subject = `account ${name}`
      await writer.submit({
        kind: 'addAccount',
        input: {
          name,
          isAdministrator: administrator === '1',
          ...(email !== undefined && { email }),
          idempotency: onceKey(request),
        },
        actor: actorOf(request, 'page'),
      })
      return reply.redirect(request.visit.to(PATH), 303)
    },
  )

  pages.post(
    `${PATH}/:account`,
    {
      schema: { params: z.object({ account: z.string().max(255) }), body: StateForm },
      onRequest,
      config: { showForm },
    },
    async (request, reply) => {
      const { account } = request.params
      const { state } = request.body
      request.subject = `account ${account}, ${state}`
      await writer.submit({
        kind: 'disableAccount',
        input: { account, isDisabled: state === 'disabled' },
        actor: actorOf(request, 'page'),
      })
      return reply.redirect(request.visit.to(PATH), 303)
    },
  )
}

function stateOf({ disabledAt, isAdministrator }: Account) {
  if (disabledAt !== undefined) return badge('bad', 'disabled')
  return isAdministrator ? badge('info', 'administrator') : badge('plain', 'active')
}

function stateChange(visit: Visit, { name, disabledAt }: Account) {
  const path = `${PATH}/${encodeURIComponent(name)}`
  return disabledAt === undefined
    ? confirmedAct(visit, {
        path,
        fields: { state: 'disabled' },
        label: 'Disable',
        effect: `All tokens of ${name} are refused at once. They work again when the account is enabled.`,
      })
    : actButton(visit, { path, fields: { state: 'enabled' }, label: 'Enable' })
}
