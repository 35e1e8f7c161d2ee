import type { Change } from '../../ledger/change.ts'
import { insertDeliveries } from '../../webhooks/delivery-store.ts'
import { updateProgress } from '../../webhooks/webhook-store.ts'
import type { Delivery, Webhook } from '../../webhooks/webhook.ts'

/** What happened to webhooks since it was last noted. */
export type Noted = Pick<Webhook, 'key' | 'version' | 'progress'> & {
  readonly deliveries: readonly Delivery[]
}

/**
 * Keeps how far webhooks are and what became of attempts; no entry of the ledger, which would make more deliveries. What is about a
 * webhook that was changed meanwhile leaves its progress alone, and about one that was removed, nothing.
 */
export async function noteDeliveries(change: Change, input: { webhooks: readonly Noted[] }): Promise<void> {
  for (const noted of input.webhooks) {
    await updateProgress(change.trx, noted)
    await insertDeliveries(change.trx, noted.key, noted.deliveries)
  }
}
