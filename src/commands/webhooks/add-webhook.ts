import { DepotError } from '../../errors.ts'
import { findHead } from '../../ledger/ledger-store.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { MAX_WEBHOOKS } from '../../webhooks/webhook.ts'
import type { Webhook, WebhookSettings } from '../../webhooks/webhook.ts'
import { countWebhooks, findWebhook, getWebhook, insertWebhook } from '../../webhooks/webhook-store.ts'

export interface NewWebhook extends WebhookSettings {
  /** The sequence of the entry after which deliveries begin. By default, that of the webhook's creation. */
  readonly after?: number
}

/**
 * Creates a webhook. The submitter must have encrypted its URL and secret. Throws `already_exists`, and
 * `conflict` at the limit.
 */
export async function addWebhook(context: CommandContext, input: NewWebhook): Promise<Webhook> {
  const { name, host } = input
  if ((await findWebhook(context.trx, name)) !== undefined)
    throw new DepotError('already_exists', `there is a webhook ${name} already`)
  if ((await countWebhooks(context.trx)) >= MAX_WEBHOOKS)
    throw new DepotError('conflict', `the depot has ${MAX_WEBHOOKS} webhooks, which is the limit`)
  await context.record({ kind: 'webhook-added', webhook: name, host })
  const { sequence } = await findHead(context.trx)
  await insertWebhook(context.trx, {
    ...input,
    makerId: context.actor.accountId,
    position: Math.min(input.after ?? sequence, sequence),
    at: context.at,
  })
  return getWebhook(context.trx, name)
}
