import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { KINDS } from '../../../events/visibility.ts'
import { listDeliveries } from '../../../webhooks/delivery-store.ts'
import { urlOf } from '../../../webhooks/outgoing.ts'
import { getWebhook, listWebhooks } from '../../../webhooks/webhook-store.ts'
import type { Webhook } from '../../../webhooks/webhook.ts'
import { cutPage, placeIn } from '../../api/conventions/pages.ts'
import { createWebhook } from '../../api/webhooks/create.ts'
import { NewWebhook, WebhookPath } from '../../api/webhooks/shapes.ts'
import { wireDelivery, wireWebhook } from '../../api/webhooks/wire.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { OptionalText, namesIn } from '../html/query.ts'
import { Csrf, ListQuery } from './frame.ts'
import { madeWebhookContent, webhookContent, webhooksContent } from './webhook-templates.ts'

const PATH = '/admin/webhooks'
const onRequest = administratorOnly
const { views, origins } = NewWebhook.shape.filter.unwrap().shape
const WebhookForm = z.object({
  ...Csrf,
  name: NewWebhook.shape.name,
  url: NewWebhook.shape.url,
  views: OptionalText.transform(namesIn).pipe(views),
  origins: OptionalText.transform(namesIn).pipe(origins),
  kind: z
    .enum(['', ...KINDS])
    .transform((kind) => (kind === '' ? undefined : kind))
    .optional(),
})
const StateForm = z.object({ ...Csrf, act: z.enum(['pause', 'resume', 'remove']) })

/** Pages for webhooks and their deliveries. */
export function webhookPages(app: FastifyInstance, context: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { depot, webhooks } = context
  const { db, writer } = depot
  const toWire = async (webhook: Webhook) =>
    wireWebhook(webhook, { url: urlOf(webhook, depot.secrets), ...(await webhooks.progressOf(webhook)) })

  pages.get(PATH, { schema: { querystring: ListQuery }, onRequest }, async (request, reply) => {
    const { query, visit } = request
    const listKey = { list: 'webhooks' }
    const after = placeIn(query, listKey, z.string())
    const found = await listWebhooks(db, { after, limit: query.limit + 1 })
    const { items, next } = cutPage(request, reply, { items: found, listKey, placeOf: ({ name }) => name })
    return reply.page(webhooksContent(visit, await Promise.all(items.map(toWire)), next))
  })

  pages.post(PATH, { schema: { body: WebhookForm }, onRequest }, async (request, reply) => {
    const { _csrf, name, url, kind, ...named } = request.body
    request.subject = `webhook ${name}`
    const filter = { ...named, ...(kind !== undefined && { kinds: [kind] }) }
    const { made, secret } = await createWebhook(context, { name, url, filter }, actorOf(request, 'page'))
    return reply.page(madeWebhookContent(request.visit, await toWire(made), secret))
  })

  pages.get(
    `${PATH}/:webhook`,
    { schema: { params: WebhookPath, querystring: ListQuery }, onRequest },
    async (request, reply) => {
      const { query, visit } = request
      const webhook = await getWebhook(db, request.params.webhook)
      await webhooks.flush() // so that the list is complete
      const listKey = { list: 'deliveries', webhook: webhook.key }
      const before = placeIn(query, listKey, z.int())
      const found = await listDeliveries(db, webhook.key, { before, limit: query.limit + 1 })
      const { items, next } = cutPage(request, reply, {
        items: found,
        listKey,
        placeOf: ({ place }) => place,
      })
      const deliveries = items.map((delivery) => wireDelivery(webhook, delivery))
      return reply.page(webhookContent(visit, await toWire(webhook), { deliveries, next }))
    },
  )

  pages.post(
    `${PATH}/:webhook`,
    { schema: { params: WebhookPath, body: StateForm }, onRequest },
    async (request, reply) => {
      const { webhook } = request.params
      const { act } = request.body
      const actor = actorOf(request, 'page')
      request.subject = `webhook ${webhook}: ${act}`
      if (act === 'remove') {
        await writer.submit({ kind: 'removeWebhook', input: { webhook }, actor })
        return reply.redirect(request.visit.to(PATH), 303)
      }
      await webhooks.flush() // so that entries already delivered are not delivered again
      await writer.submit({ kind: 'changeWebhook', input: { webhook, isPaused: act === 'pause' }, actor })
      return reply.redirect(request.visit.to(`${PATH}/${encodeURIComponent(webhook)}`), 303)
    },
  )
}
