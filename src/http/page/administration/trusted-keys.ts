import { html } from '@remix-run/html-template'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { listTrustedKeys } from '../../../lockfiles/depot-key-store.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly, needs } from '../../requests/rights.ts'
import { emptyState, timeAgo } from '../html/parts.ts'
import { Csrf, adminContent, confirmedAct, mayAdministrate, table } from './frame.ts'

const PATH = '/admin/trusted-keys'

/** Pages for the keys of other depots. */
export function trustedKeyPages(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()

  pages.get(PATH, { onRequest: needs('read') }, async (request, reply) => {
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
        html`<p><code>hart-depot key trust NAME FILE</code> adds the key of a depot.</p>`,
      )
    : table('Trusted keys', ['Name', 'Key', 'Added', ...(mayChange ? ['Change'] : [])], rows)
}`,
      }),
    )
  })

  pages.post(
    `${PATH}/:name/remove`,
    {
      schema: { params: z.object({ name: z.string().max(255) }), body: z.object(Csrf) },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      const { name } = request.params
      request.subject = `trusted key ${name}`
      await depot.writer.submit({ kind: 'distrustKey', input: { name }, actor: actorOf(request, 'page') })
      return reply.redirect(request.visit.to(PATH), 303)
    },
  )
}
