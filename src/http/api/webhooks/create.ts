import { randomBytes } from 'node:crypto'
import type { z } from 'zod'
import type { CallerActor } from '../../../access/access.ts'
import type { IdempotencyKey } from '../../../ledger/idempotency-store.ts'
import { webhookSecretPurpose, webhookUrlPurpose } from '../../../origins/secret-purposes.ts'
import { hostOf } from '../../../text/address-ranges.ts'
import { generateSecret } from '../../../webhooks/signature.ts'
import { parseWebhookUrl } from '../../../webhooks/webhook.ts'
import type { Webhook } from '../../../webhooks/webhook.ts'
import type { RouteContext } from '../../requests/request.ts'
import type { NewWebhook } from './shapes.ts'

type Context = Pick<RouteContext, 'depot' | 'webhooks'>

const KEY_BYTES = 8

/**
 * Creates a webhook. Returns it with its secret, which the depot shows again only to a repeated request.
 * Throws the errors of {@link sealUrl}, `already_exists`, and `conflict` if there are too many webhooks, or
 * if the webhook of a repeated request has changed since.
 */
export async function createWebhook(
  context: Context,
  { name, url, filter, after }: z.infer<typeof NewWebhook>,
  { actor, idempotency }: { actor: CallerActor; idempotency?: IdempotencyKey },
): Promise<{ made: Webhook; secret: string }> {
  const { secrets, writer } = context.depot
  const key = randomBytes(KEY_BYTES).toString('hex')
  const { sealed: sealedUrl, host } = await sealUrl(context, url, key)
  const made = await writer.submit({
    kind: 'addWebhook',
    input: {
      name,
      key,
      filter: withoutAbsent(filter),
      sealedUrl,
      host,
      sealedSecret: secrets.seal(generateSecret(), webhookSecretPurpose(key)),
      ...(after !== undefined && { after }),
      ...(idempotency !== undefined && { idempotency }),
    },
    actor,
  })
  return { made, secret: secrets.open(made.sealedSecret, webhookSecretPurpose(made.key)) }
}

/**
 * Encrypts the URL of a webhook. Throws `invalid_request` if the URL is malformed or the depot may not
 * connect to its host.
 */
export async function sealUrl({ depot, webhooks }: Context, text: string, key: string) {
  const url = parseWebhookUrl(text)
  await webhooks.expectReachable(url.href)
  return { sealed: depot.secrets.seal(url.href, webhookUrlPurpose(key)), host: hostOf(url) }
}

/** Removes fields that are `undefined`, which JSON would lose anyway. */
export function withoutAbsent({
  views,
  origins,
  kinds,
}: z.infer<typeof NewWebhook>['filter']): Webhook['filter'] {
  return { ...(views && { views }), ...(origins && { origins }), ...(kinds && { kinds }) }
}
