import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { WebhookChange } from '../../../commands/webhooks/change-webhook.ts'
import type { IdempotencyKey } from '../../../ledger/idempotency-store.ts'
import { webhookSecretPurpose } from '../../../origins/secret-purposes.ts'
import { listDeliveries } from '../../../webhooks/delivery-store.ts'
import { urlOf } from '../../../webhooks/outgoing.ts'
import { generateSecret } from '../../../webhooks/signature.ts'
import { getWebhook, listWebhooks } from '../../../webhooks/webhook-store.ts'
import { MAX_URL_LENGTH } from '../../../webhooks/webhook.ts'
import type { Webhook } from '../../../webhooks/webhook.ts'
import { placeIn } from '../../api/conventions/pages.ts'
import { createWebhook, sealUrl, withoutAbsent } from '../../api/webhooks/create.ts'
import { NewWebhook, Replay, WebhookPath } from '../../api/webhooks/shapes.ts'
import { wireDelivery, wirePing, wireWebhook } from '../../api/webhooks/wire.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { Once, onceKey } from '../html/once.ts'
import { OptionalNames, OptionalText, RepeatedText, optionalText, parseFields } from '../html/query.ts'
import { Csrf, FIRST_PAGE, ListQuery, cutList } from './frame.ts'
import { madeWebhookContent, webhookContent, webhookPath, webhooksContent } from './webhook-templates.ts'
import type { Ping } from './webhook-templates.ts'

const PATH = '/admin/webhooks'
const onRequest = administratorOnly
const filterFields = { views: OptionalNames, origins: OptionalNames, kinds: RepeatedText }
const NewForm = z.object({
  ...Csrf,
  ...Once,
  name: z.string().trim(),
  url: z.string().trim(),
  ...filterFields,
})
const ChangeForm = z.object({ ...Csrf, url: optionalText(MAX_URL_LENGTH), ...filterFields })
const StateForm = z.object({
  ...Csrf,
  once: Once.once.optional(),
  act: z.enum(['pause', 'resume', 'remove', 'ping', 'secret']),
})
const ReplayForm = z.object({
  ...Csrf,
  from: z.coerce.number(),
  to: OptionalText.transform((text) => (text === undefined ? undefined : Number(text))),
})

/** Pages for webhooks and their deliveries. */
export function webhookPages(app: FastifyInstance, context: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { depot, webhooks } = context
  const { db, writer } = depot
  const toWire = async (webhook: Webhook) =>
    wireWebhook(webhook, { url: urlOf(webhook, depot.secrets), ...(await webhooks.progressOf(webhook)) })

  const showList = async ({ visit }: FastifyRequest, reply: FastifyReply, query: ListQuery) => {
    const listKey = { list: 'webhooks' }
    const after = placeIn(query, listKey, z.string())
    const found = await listWebhooks(db, { after, limit: query.limit + 1 })
    const { items, next } = cutList(visit, query, {
      items: found,
      listKey,
      placeOf: ({ name }) => name,
      path: PATH,
    })
    return reply.page(webhooksContent(visit, await Promise.all(items.map(toWire)), next))
  }
  pages.get(PATH, { schema: { querystring: ListQuery }, onRequest }, async (request, reply) =>
    showList(request, reply, request.query),
  )

  pages.post(
    PATH,
    {
      schema: { body: NewForm },
      onRequest,
      config: { showForm: async (request, reply) => showList(request, reply, FIRST_PAGE) },
    },
    async (request, reply) => {
      const { name, url } = request.body
      request.subject = `webhook ${name}`
      const wanted = parseFields(NewWebhook, { name, url, filter: filterOf(request.body) })
      const { made, secret } = await createWebhook(context, wanted, {
        actor: actorOf(request, 'page'),
        idempotency: onceKey(request),
      })
      return reply.page(madeWebhookContent(request.visit, { webhook: await toWire(made), secret }))
    },
  )

  const showOne = async (
    request: FastifyRequest,
    reply: FastifyReply,
    { query = FIRST_PAGE, ping }: { query?: ListQuery; ping?: Ping } = {},
  ) => {
    const { visit } = request
    const webhook = await getWebhook(db, WebhookPath.parse(request.params).webhook)
    await webhooks.flush() // so that the list is complete
    const listKey = { list: 'deliveries', webhook: webhook.key }
    const before = placeIn(query, listKey, z.int())
    const found = await listDeliveries(db, webhook.key, { before, limit: query.limit + 1 })
    const { items, next } = cutList(visit, query, {
      items: found,
      listKey,
      placeOf: ({ place }) => place,
      path: webhookPath(webhook.name),
    })
    const deliveries = items.map((delivery) => wireDelivery(webhook, delivery))
    return reply.page(webhookContent(visit, { webhook: await toWire(webhook), deliveries, next, ping }))
  }
  pages.get(
    `${PATH}/:webhook`,
    { schema: { params: WebhookPath, querystring: ListQuery }, onRequest },
    async (request, reply) => showOne(request, reply, { query: request.query }),
  )

  const showForm = async (request: FastifyRequest, reply: FastifyReply) => showOne(request, reply)
  const change = async (request: FastifyRequest, input: WebhookChange & { idempotency?: IdempotencyKey }) => {
    await webhooks.flush() // so that entries already delivered are not delivered again
    return writer.submit({ kind: 'changeWebhook', input, actor: actorOf(request, 'page') })
  }

  pages.post(
    `${PATH}/:webhook`,
    { schema: { params: WebhookPath, body: StateForm }, onRequest, config: { showForm } },
    async (request, reply) => {
      const { name: webhook, key } = await getWebhook(db, request.params.webhook)
      const { act } = request.body
      request.subject = `webhook ${webhook}: ${act}`
      switch (act) {
        case 'remove':
          await writer.submit({ kind: 'removeWebhook', input: { webhook }, actor: actorOf(request, 'page') })
          return reply.redirect(request.visit.to(PATH), 303)
        case 'ping': {
          const { id, receipt } = await webhooks.ping(await getWebhook(db, webhook))
          return showOne(request, reply, { ping: wirePing(id, receipt) })
        }
        case 'secret': {
          const purpose = webhookSecretPurpose(key)
          const sealed = depot.secrets.seal(generateSecret(), purpose)
          const idempotency = onceKey(request)
          const changed = await change(request, { webhook, secret: { sealed }, idempotency })
          const secret = depot.secrets.open(changed.sealedSecret, purpose)
          return reply.page(madeWebhookContent(request.visit, { webhook: await toWire(changed), secret }))
        }
        case 'pause':
        case 'resume':
          await change(request, { webhook, isPaused: act === 'pause' })
          return reply.redirect(request.visit.to(webhookPath(webhook)), 303)
        default:
          return act satisfies never
      }
    },
  )

  pages.post(
    `${PATH}/:webhook/change`,
    { schema: { params: WebhookPath, body: ChangeForm }, onRequest, config: { showForm } },
    async (request, reply) => {
      const { name: webhook, key } = await getWebhook(db, request.params.webhook)
      request.subject = `webhook ${webhook}: filter`
      const { filter } = parseFields(NewWebhook.pick({ filter: true }), { filter: filterOf(request.body) })
      const { url } = request.body
      const sealedUrl = url === undefined ? undefined : await sealUrl(context, url, key)
      await change(request, {
        webhook,
        filter: withoutAbsent(filter),
        ...(sealedUrl !== undefined && { url: sealedUrl }),
      })
      return reply.redirect(request.visit.to(webhookPath(webhook)), 303)
    },
  )

  pages.post(
    `${PATH}/:webhook/replay`,
    { schema: { params: WebhookPath, body: ReplayForm }, onRequest, config: { showForm } },
    async (request, reply) => {
      const { webhook } = request.params
      const { _csrf, ...fields } = request.body
      const { from, to } = parseFields(Replay, fields)
      request.subject = `webhook ${webhook} from ${from}`
      await change(request, { webhook, replay: { from, ...(to !== undefined && { to }) } })
      return reply.redirect(request.visit.to(webhookPath(webhook)), 303)
    },
  )
}

function filterOf({ views, origins, kinds }: z.infer<typeof ChangeForm>) {
  return { views, origins, ...(kinds.length > 0 && { kinds }) }
}
