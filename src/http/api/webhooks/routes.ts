import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { WebhookChange } from '../../../commands/webhooks/change-webhook.ts'
import type { IdempotencyKey } from '../../../ledger/idempotency-store.ts'
import { webhookSecretPurpose } from '../../../origins/secret-purposes.ts'
import { listDeliveries } from '../../../webhooks/delivery-store.ts'
import { urlOf } from '../../../webhooks/outgoing.ts'
import { generateSecret } from '../../../webhooks/signature.ts'
import { getWebhook, listWebhooks } from '../../../webhooks/webhook-store.ts'
import type { Webhook as StoredWebhook } from '../../../webhooks/webhook.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { IdempotencyHeaders, idempotencyOf } from '../conventions/idempotency.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { NO_STORE, answers, textToo } from '../conventions/responses.ts'
import { FormatQuery, PageQuery } from '../conventions/shapes.ts'
import { wireTime } from '../conventions/wire.ts'
import { createWebhook, sealUrl, withoutAbsent } from './create.ts'
import {
  Deliveries,
  MadeSecret,
  MadeWebhook,
  NewWebhook,
  Ping,
  Replay,
  Webhook,
  WebhookChanges,
  WebhookPath,
  Webhooks,
} from './shapes.ts'
import { deliveriesText, webhookText, webhooksText } from './text.ts'
import { wireDelivery, wirePing, wireWebhook } from './wire.ts'

const tags = ['webhooks']
const onRequest = administratorOnly

export function webhookRoutes(app: FastifyInstance, context: RouteContext): void {
  const { depot, webhooks } = context
  const api = app.withTypeProvider<ZodTypeProvider>()

  /** Converts a webhook with its URL, which may be secret, and its progress. */
  const toWire = async (webhook: StoredWebhook): Promise<z.infer<typeof Webhook>> =>
    wireWebhook(webhook, { url: urlOf(webhook, depot.secrets), ...(await webhooks.progressOf(webhook)) })

  const change = async (request: FastifyRequest, input: WebhookChange & { idempotency?: IdempotencyKey }) => {
    await webhooks.flush() // so that entries already delivered are not delivered again
    return depot.writer.submit({ kind: 'changeWebhook', input, actor: actorOf(request, 'api') })
  }

  api.post(
    '/webhooks',
    {
      schema: {
        operationId: 'createWebhook',
        tags,
        summary: 'Creates a webhook',
        description:
          'Administrators only. The answer has the secret, which is shown only once. At most 100 webhooks. With an Idempotency-Key, a repeated request gets the same secret for seven days, until the webhook changes: then it gets 409 conflict.',
        errors: ['already_exists', 'conflict', 'forbidden', 'idempotency_mismatch'],

        headers: IdempotencyHeaders,
        body: NewWebhook,
        response: answers(MadeWebhook, 201),
      },
      onRequest,
    },
    async (request, reply) => {
      const { name } = request.body
      request.subject = `webhook ${name}`
      const { made, secret } = await createWebhook(context, request.body, {
        actor: actorOf(request, 'api'),
        ...idempotencyOf(request),
      })
      return reply
        .code(201)
        .headers({ ...NO_STORE, location: `${request.publicPath}/api/v1/webhooks/${name}` })
        .send({ ...(await toWire(made)), secret })
    },
  )

  api.get(
    '/webhooks',
    {
      schema: {
        operationId: 'listWebhooks',
        tags,
        summary: 'Lists the webhooks and their states',
        description: 'Administrators only. By name.',
        errors: ['forbidden'],

        querystring: PageQuery,
        response: textToo(Webhooks),
      },
      onRequest,
      preSerialization: orText(webhooksText),
    },
    async (request, reply) => {
      const listKey = { list: 'webhooks' }
      const found = await listWebhooks(depot.db, {
        after: placeIn(request.query, listKey, z.string()),
        limit: request.query.limit + 1,
      })
      const { items, next } = cutPage(request, reply, { items: found, listKey, placeOf: ({ name }) => name })
      return reply.headers(NO_STORE).send({ webhooks: await Promise.all(items.map(toWire)), next })
    },
  )

  api.get(
    '/webhooks/:webhook',
    {
      schema: {
        operationId: 'getWebhook',
        tags,
        summary: 'Shows a webhook and its state',
        description: 'Administrators only.',
        errors: ['forbidden', 'not_found'],

        params: WebhookPath,
        querystring: FormatQuery,
        response: textToo(Webhook),
      },
      onRequest,
      preSerialization: orText(webhookText),
    },
    async (request, reply) =>
      reply.headers(NO_STORE).send(await toWire(await getWebhook(depot.db, request.params.webhook))),
  )

  api.patch(
    '/webhooks/:webhook',
    {
      schema: {
        operationId: 'changeWebhook',
        tags,
        summary: 'Changes, pauses or resumes a webhook',
        description:
          'Administrators only. Absent fields keep their values. Resuming continues with the entry at which the webhook was paused. Safe to repeat.',
        errors: ['conflict', 'forbidden', 'not_found'],

        params: WebhookPath,
        body: WebhookChanges,
        response: answers(Webhook),
      },
      onRequest,
    },
    async (request, reply) => {
      const { url, filter, paused } = request.body
      request.subject = `webhook ${request.params.webhook}: ${Object.entries(request.body)
        .map(([part, value]) => (part === 'paused' && value === false ? 'resumed' : part))
        .join(', ')}`
      const { name, key } = await getWebhook(depot.db, request.params.webhook)
      const changed = await change(request, {
        webhook: name,
        ...(url !== undefined && { url: await sealUrl(context, url, key) }),
        ...(filter !== undefined && { filter: withoutAbsent(filter) }),
        ...(paused !== undefined && { isPaused: paused }),
      })
      return reply.headers(NO_STORE).send(await toWire(changed))
    },
  )

  api.delete(
    '/webhooks/:webhook',
    {
      schema: {
        operationId: 'deleteWebhook',
        tags,
        summary: 'Deletes a webhook',
        description: 'Administrators only. Its deliveries stop.',
        errors: ['forbidden', 'not_found'],

        params: WebhookPath,
        response: answers(z.undefined().describe('done'), 204),
      },
      onRequest,
    },
    async (request, reply) => {
      const { webhook } = request.params
      request.subject = `webhook ${webhook}`
      await depot.writer.submit({ kind: 'removeWebhook', input: { webhook }, actor: actorOf(request, 'api') })
      return reply.code(204).send()
    },
  )

  api.post(
    '/webhooks/:webhook/secrets',
    {
      schema: {
        operationId: 'createWebhookSecret',
        tags,
        summary: 'Creates a new secret for a webhook',
        description:
          'Administrators only. The answer has the secret, which is shown only once. The previous secret also signs for 24 hours. With an Idempotency-Key, a repeated request gets the same secret for seven days, until the webhook changes: then it gets 409 conflict.',
        errors: ['conflict', 'forbidden', 'idempotency_mismatch', 'not_found'],

        params: WebhookPath,
        headers: IdempotencyHeaders,
        response: answers(MadeSecret, 201),
      },
      onRequest,
    },
    async (request, reply) => {
      request.subject = `webhook ${request.params.webhook}`
      const { name, key } = await getWebhook(depot.db, request.params.webhook)
      const purpose = webhookSecretPurpose(key)
      const { sealedSecret, previous } = await change(request, {
        webhook: name,
        secret: { sealed: depot.secrets.seal(generateSecret(), purpose) },
        ...idempotencyOf(request),
      })
      const secret = depot.secrets.open(sealedSecret, purpose)
      return reply
        .code(201)
        .headers(NO_STORE)
        .send({ webhook: name, secret, previous_secret_until: wireTime(previous?.until ?? depot.now()) })
    },
  )

  api.get(
    '/webhooks/:webhook/deliveries',
    {
      schema: {
        operationId: 'listDeliveries',
        tags,
        summary: 'Lists delivery attempts of a webhook',
        description: 'Administrators only. Newest first; the depot remembers the last 1,000.',
        errors: ['forbidden', 'not_found'],

        params: WebhookPath,
        querystring: PageQuery,
        response: textToo(Deliveries),
      },
      onRequest,
      preSerialization: orText(deliveriesText),
    },
    async (request, reply) => {
      const webhook = await getWebhook(depot.db, request.params.webhook)
      await webhooks.flush() // so that the list is complete
      const listKey = { list: 'deliveries', webhook: webhook.key }
      const found = await listDeliveries(depot.db, webhook.key, {
        before: placeIn(request.query, listKey, z.int()),
        limit: request.query.limit + 1,
      })
      const { items, next } = cutPage(request, reply, {
        items: found,
        listKey,
        placeOf: ({ place }) => place,
      })
      return reply.headers(NO_STORE).send({
        webhook: webhook.name,
        deliveries: items.map((delivery) => wireDelivery(webhook, delivery)),
        next,
      })
    },
  )

  api.post(
    '/webhooks/:webhook/replays',
    {
      schema: {
        operationId: 'replayWebhook',
        tags,
        summary: 'Delivers entries of the ledger again',
        description: 'Administrators only. In order and with their original ids, before new entries.',
        errors: ['conflict', 'forbidden', 'not_found'],

        params: WebhookPath,
        body: Replay,
        response: answers(Webhook),
      },
      onRequest,
    },
    async (request, reply) => {
      const { from, to } = request.body
      request.subject = `webhook ${request.params.webhook} from ${from}`
      return reply.headers(NO_STORE).send(
        await toWire(
          await change(request, {
            webhook: request.params.webhook,
            replay: { from, ...(to !== undefined && { to }) },
          }),
        ),
      )
    },
  )

  api.post(
    '/webhooks/:webhook/pings',
    {
      schema: {
        operationId: 'pingWebhook',
        tags,
        summary: 'Sends a test message to a webhook',
        description:
          'Administrators only. At once, even if the webhook is paused. The answer has the result; a delivery takes at most 10 seconds.',
        errors: ['forbidden', 'not_found'],

        params: WebhookPath,
        response: answers(Ping),
      },
      onRequest,
    },
    async (request, reply) => {
      request.subject = `webhook ${request.params.webhook}`
      const { id, receipt } = await webhooks.ping(await getWebhook(depot.db, request.params.webhook))
      return reply.headers(NO_STORE).send(wirePing(id, receipt))
    },
  )
}
