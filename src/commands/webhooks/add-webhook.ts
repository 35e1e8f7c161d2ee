import { DepotError } from '../../errors.ts'
import { findHead } from '../../ledger/ledger-store.ts'
import type { Change } from '../../ledger/change.ts'
import { MOST_WEBHOOKS } from '../../webhooks/webhook.ts'
import type { Webhook } from '../../webhooks/webhook.ts'
import { countWebhooks, findWebhook, getWebhook, insertWebhook } from '../../webhooks/webhook-store.ts'

export type NewWebhook = Pick<Webhook, 'name' | 'key' | 'host' | 'sealedUrl' | 'sealedSecret' | 'filter'> & {
  /** Is told what comes after this entry; without it, what comes after its own making. */
  readonly after?: number
}

/** Makes a webhook whose URL and secret were encrypted by who submits this. Throws `already_exists`, and `conflict` where there are too many. */
export async function addWebhook(change: Change, input: NewWebhook): Promise<Webhook> {
  const { name, host } = input
  if ((await findWebhook(change.trx, name)) !== undefined)
    throw new DepotError('already_exists', `there is a webhook ${name} already`)
  if ((await countWebhooks(change.trx)) >= MOST_WEBHOOKS)
    throw new DepotError('conflict', `there are ${MOST_WEBHOOKS} webhooks, which is as many as there may be`)
  await change.record({ kind: 'webhook-added', webhook: name, host })
  const { sequence } = await findHead(change.trx)
  await insertWebhook(change.trx, {
    ...input,
    makerId: change.actor.accountId,
    position: Math.min(input.after ?? sequence, sequence),
    at: change.at,
  })
  return getWebhook(change.trx, name)
}
