import { html } from '@remix-run/html-template'
import type { FastifyInstance } from 'fastify'
import type { RouteContext } from '../../requests/request.ts'
import { signedInOnly } from '../../requests/rights.ts'
import { mayAdministrate } from '../html/may-change.ts'
import { accountPages } from './accounts.ts'
import { auditPages } from './audit.ts'
import { PARTS, link } from './frame.ts'
import { freezePages } from './freezes.ts'
import { healthPages } from './health.ts'
import { originPage } from './origin.ts'
import { originPages } from './origins.ts'
import { retentionPages } from './retention.ts'
import { storagePages } from './storage.ts'
import { tokenPages } from './tokens.ts'
import { trustedKeyPages } from './trusted-keys.ts'
import { upstreamPages } from './upstream.ts'
import { webhookPages } from './webhooks.ts'

/** Routes of the administration. Every page checks the rights that the API checks for the same content. */
export function administrationRoutes(app: FastifyInstance, context: RouteContext): void {
  app.get('/admin', { onRequest: signedInOnly }, async (request, reply) => {
    const { visit } = request
    const shown = PARTS.filter(
      ({ isForAdministrators }) => !isForAdministrators || mayAdministrate(visit.caller),
    )
    return reply.page({
      title: 'Administration',
      section: 'admin',
      main: html`<h1>Administration</h1>
<dl class="parts">${shown.map(
        ({ path, label, purpose }) => html`<dt>${link(visit, path, label)}</dt><dd>${purpose}</dd>
`,
      )}</dl>`,
    })
  })
  originPages(app, context)
  originPage(app, context)
  tokenPages(app, context)
  accountPages(app, context)
  storagePages(app, context)
  retentionPages(app, context)
  freezePages(app, context)
  webhookPages(app, context)
  upstreamPages(app, context)
  trustedKeyPages(app, context)
  healthPages(app, context)
  auditPages(app, context)
}
