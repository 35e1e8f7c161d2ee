import { html } from '@remix-run/html-template'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { parseDepotKey } from '../../../lockfiles/depot-key.ts'
import { listTrustedKeys } from '../../../lockfiles/depot-key-store.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly, needs } from '../../requests/rights.ts'
import { postForm, textField } from '../html/forms.ts'
import { mayAdministrate } from '../html/may-change.ts'
import { emptyState, timeAgo } from '../html/parts.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import type { Visit } from '../html/visit.ts'
import { Csrf, adminContent, confirmedAct, table } from './frame.ts'

const PATH = '/admin/trusted-keys'
const TrustForm = z.object({ ...Csrf, name: z.string().trim().min(1).max(255), file: z.string().max(4_096) })

/** Pages for the keys of other depots. */
export function trustedKeyPages(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()

  const showForm = async (request: FastifyRequest, reply: FastifyReply) => {
    const { visit } = request
    const mayChange = mayAdministrate(visit.caller)
    const rows = (await listTrustedKeys(depot.db)).map(({ name, key, addedAt }) => [
      name,
      html`<code>${key.id}</code>`,
      timeAgo(visit, addedAt),
      ...(mayChange
        ? [
            confirmedAct(visit, {
              path: `${PATH}/${encodeURIComponent(name)}/remove`,
              fields: {},
              label: 'Remove',
              effect: `Lockfiles that ${name} signed are refused from now on.`,
            }),
          ]
        : []),
    ])
    return reply.page(
      adminContent(visit, {
        title: 'Trusted keys',
        main: html`<p class="lead">This depot accepts lockfiles that are signed with these keys of other depots.</p>
${
  rows.length === 0
    ? emptyState(
        'No other depot is trusted',
        html`<p>With the key of another depot, this one accepts its lockfiles.</p>`,
      )
    : table('Trusted keys', ['Name', 'Key', 'Added', ...(mayChange ? ['Change'] : [])], rows)
}
${mayChange ? trustForm(visit) : null}`,
      }),
    )
  }
  pages.get(PATH, { onRequest: needs('read') }, showForm)

  pages.post(
    PATH,
    { schema: { body: TrustForm }, onRequest: administratorOnly, config: { showForm } },
    async (request, reply) => {
      const { name, file } = request.body
      const publicKey = file.replaceAll('\r\n', '\n')
      request.subject = `trusted key ${name}, ${parseDepotKey(publicKey).id}`
      const input = { name, publicKey }
      await depot.writer.submit({ kind: 'trustKey', input, actor: actorOf(request, 'page') })
      return reply.redirect(request.visit.to(PATH), 303)
    },
  )

  pages.post(
    `${PATH}/:name/remove`,
    {
      schema: { params: z.object({ name: z.string().max(255) }), body: z.object(Csrf) },
      onRequest: administratorOnly,
      config: { showForm },
    },
    async (request, reply) => {
      const { name } = request.params
      request.subject = `trusted key ${name}`
      await depot.writer.submit({ kind: 'distrustKey', input: { name }, actor: actorOf(request, 'page') })
      return reply.redirect(request.visit.to(PATH), 303)
    },
  )
}

function trustForm(visit: Visit) {
  return html`<h2>Trust another depot</h2>
${postForm(
  visit,
  { path: PATH, className: 'stack change' },
  (form) => html`${textField(form, { name: 'name', label: 'Name', isRequired: true })}
${textField(form, { name: 'file', label: 'Its key file', rows: 4, isRequired: true, maxLength: 4_096 })}
<div class="actions"><button class="primary">Trust it</button></div>`,
)}
<p class="hint">On the other depot, <code>hart-depot key show</code> prints the file.</p>
${sameCommands([
  'hart-depot key trust NAME FILE',
  curlCommand(visit, { method: 'PUT', path: '/depot/trusted-keys/NAME' }),
])}`
}
