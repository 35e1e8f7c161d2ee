import { DepotError } from '../../errors.ts'
import { findHead } from '../../ledger/ledger-store.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { SAME_RIGHT, runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import { MAX_WEBHOOKS } from '../../webhooks/webhook.ts'
import type { Webhook, WebhookSettings } from '../../webhooks/webhook.ts'
import { countWebhooks, findWebhook, getWebhook, insertWebhook } from '../../webhooks/webhook-store.ts'

export interface NewWebhook extends WebhookSettings {
  /** The sequence of the entry after which deliveries begin. By default, that of the webhook's creation. */
  readonly after?: number
}

/** Identifies a webhook, and its version at the end of the command that gave it a secret. */
export type WithSecret = Pick<Webhook, 'name' | 'key' | 'version'>

/**
 * Creates a webhook. The submitter must have encrypted its URL and secret. A repeated request gets the same
 * webhook and secret. Throws `already_exists`, and `conflict` at the limit or if the webhook of a repeated
 * request has changed since.
 */
export async function addWebhook(
  context: CommandContext,
  { idempotency, ...input }: NewWebhook & { idempotency?: IdempotencyKey },
): Promise<Webhook> {
  const made = await runOnce(context, idempotency, SAME_RIGHT, () => insertNewWebhook(context, input))
  return getAsGiven(context, made)
}

/**
 * Returns a webhook as a command left it. Throws `conflict` if the webhook has changed since: it may then
 * have another secret, which the caller may not see.
 */
export async function getAsGiven({ trx }: CommandContext, given: WithSecret): Promise<Webhook> {
  const webhook = await findWebhook(trx, given.name)
  if (webhook?.key !== given.key || webhook.version !== given.version)
    throw new DepotError(
      'conflict',
      `this request was made before, and the webhook ${given.name} has changed since: its secret is not shown again`,
    )
  return webhook
}

async function insertNewWebhook(context: CommandContext, input: NewWebhook): Promise<WithSecret> {
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
  const { key, version } = await getWebhook(context.trx, name)
  return { name, key, version }
}
