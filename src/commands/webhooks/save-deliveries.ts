import type { CommandContext } from '../../ledger/command-context.ts'
import { insertDeliveries } from '../../webhooks/delivery-store.ts'
import { updateProgress } from '../../webhooks/webhook-store.ts'
import type { Delivery, Webhook } from '../../webhooks/webhook.ts'

/** The progress of a webhook, and its deliveries that are not saved yet. */
export type UnsavedProgress = Pick<Webhook, 'key' | 'version' | 'progress'> & {
  readonly deliveries: readonly Delivery[]
}

/**
 * Stores the progress and the deliveries of webhooks. Records no ledger entry, which would cause more
 * deliveries. Ignores progress of an earlier version of a webhook, and everything about a removed webhook.
 */
export async function saveDeliveries(
  context: CommandContext,
  input: { webhooks: readonly UnsavedProgress[] },
): Promise<void> {
  for (const unsaved of input.webhooks) {
    await updateProgress(context.trx, unsaved)
    await insertDeliveries(context.trx, unsaved.key, unsaved.deliveries)
  }
}
