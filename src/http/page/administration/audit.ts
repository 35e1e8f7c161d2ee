import { html } from '@remix-run/html-template'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { listDenials } from '../../../accounts/denial-store.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { emptyState, timeAgo } from '../html/parts.ts'
import { OptionalText } from '../html/query.ts'
import { adminContent, link, table } from './frame.ts'

/** So many refusals are shown; the command line lists all of them. */
const MAX_SHOWN = 200
const AuditQuery = z.object({ account: OptionalText })

/** The page with the requests that were refused for want of rights. */
export function auditPages(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()

  pages.get(
    '/admin/audit',
    { schema: { querystring: AuditQuery }, onRequest: administratorOnly },
    async (request, reply) => {
      const { visit } = request
      const { account } = request.query
      const denials = await listDenials(depot.db, { since: 0, account, limit: MAX_SHOWN })
      const rows = denials.map((denial) => [
        timeAgo(visit, denial.lastAt),
        denial.account ?? 'nobody signed in',
        html`${denial.method} <code>${denial.path}</code>`,
        denial.code,
        denial.requests,
        denial.network ?? 'several',
        denial.tokenId === null ? '' : link(visit, `/admin/tokens/${denial.tokenId}`, String(denial.tokenId)),
      ])
      return reply.page(
        adminContent(visit, {
          title: 'Refusals',
          main: html`<p class="lead">Changes and administration that were refused for want of rights, newest first. What was done is in the ${link(visit, '/activity', 'activity')}.</p>
<form class="filters" action="${visit.to('/admin/audit')}"><label>Account<input name="account" value="${account ?? ''}" maxlength="255" spellcheck="false" /></label><button>Filter</button></form>
${
  rows.length === 0
    ? emptyState('Nothing was refused', html`<p>Refused requests appear here after some seconds.</p>`)
    : table('Refusals', ['Last', 'Account', 'Request', 'Code', 'Times', 'From', 'Token'], rows)
}
${rows.length < MAX_SHOWN ? null : html`<p class="hint">Only the last ${MAX_SHOWN} are shown: <code>hart-depot denials</code> on the host lists all.</p>`}`,
        }),
      )
    },
  )
}
