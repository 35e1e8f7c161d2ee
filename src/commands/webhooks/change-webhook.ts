import { DepotError } from '../../errors.ts'
import type { WebhookPart } from '../../ledger/entry.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { SAME_RIGHT, runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import { freshProgress } from '../../webhooks/progress.ts'
import type { Progress } from '../../webhooks/progress.ts'
import { PREVIOUS_SECRET_MS } from '../../webhooks/webhook.ts'
import type { EntryFilter } from '../../events/entry-filter.ts'
import type { Webhook } from '../../webhooks/webhook.ts'
import { deleteWebhook, getWebhook, updateWebhook } from '../../webhooks/webhook-store.ts'
import { getAsGiven } from './add-webhook.ts'
import type { WithSecret } from './add-webhook.ts'

/** Absent fields are kept. The submitter has encrypted the URL and the secret. */
export interface WebhookChange {
  readonly webhook: string
  readonly url?: { readonly sealed: string; readonly host: string }
  readonly filter?: EntryFilter
  readonly isPaused?: boolean
  /** A new secret. The previous secret also signs for one more day. */
  readonly secret?: { readonly sealed: string }
  /**
   * Delivers the entries with these sequences again, before new ones. Replaces a running replay. `to`
   * defaults to the last delivered entry.
   */
  readonly replay?: { readonly from: number; readonly to?: number }
}

/**
 * Changes a webhook. A repeated request gets the same webhook and secret. Throws `not_found`, and `conflict`
 * for a replay of entries that were not yet delivered, or if the webhook of a repeated request has changed
 * since.
 */
export async function changeWebhook(
  context: CommandContext,
  { idempotency, ...input }: WebhookChange & { idempotency?: IdempotencyKey },
): Promise<Webhook> {
  const changed = await runOnce<WithSecret>(context, idempotency, SAME_RIGHT, async () => {
    const { name, key, version } = await applyChange(context, input)
    return { name, key, version }
  })
  return getAsGiven(context, changed)
}

async function applyChange(context: CommandContext, input: WebhookChange): Promise<Webhook> {
  const before = await getWebhook(context.trx, input.webhook)
  const { url, filter, secret } = input
  const after: Webhook = {
    ...before,
    ...(url !== undefined && { sealedUrl: url.sealed, host: url.host }),
    ...(filter !== undefined && { filter }),
    ...(secret !== undefined && {
      sealedSecret: secret.sealed,
      previous: { sealedSecret: before.sealedSecret, until: context.clock.now + PREVIOUS_SECRET_MS },
    }),
    progress: changeProgress(before, input, context.at),
  }
  const changed = partsOf(before, after, input)
  if (changed.length === 0) return before
  await updateWebhook(context.trx, after)
  await context.record({ kind: 'webhook-changed', webhook: after.name, host: after.host, changed })
  return getWebhook(context.trx, after.name)
}

/** Removes a webhook and its deliveries. Throws `not_found`. */
export async function removeWebhook(context: CommandContext, input: { webhook: string }): Promise<void> {
  const { name } = await getWebhook(context.trx, input.webhook)
  await deleteWebhook(context.trx, name)
  await context.record({ kind: 'webhook-removed', webhook: name })
}

function changeProgress(
  { name, progress }: Webhook,
  { isPaused, replay, url }: WebhookChange,
  at: number,
): Progress {
  const isDueImmediately =
    url !== undefined || replay !== undefined || (isPaused === false && progress.pause !== undefined)
  const base = isDueImmediately
    ? { ...freshProgress(progress.position), replay: progress.replay, pause: progress.pause }
    : progress
  const pause =
    isPaused === undefined ? base.pause : isPaused ? (base.pause ?? { at, why: 'asked' as const }) : undefined
  return {
    ...base,
    pause,
    replay: replay === undefined ? base.replay : rangeOf(name, replay, progress.position),
  }
}

function rangeOf(
  name: string,
  { from, to }: { from: number; to?: number },
  position: number,
): Progress['replay'] {
  if (from > position)
    throw new DepotError(
      'conflict',
      `${name} is at ${position}: entries from ${from} on have not been sent yet, and need no replay`,
    )
  return { next: from, to: Math.min(to ?? position, position) }
}

function partsOf(before: Webhook, after: Webhook, input: WebhookChange): WebhookPart[] {
  const isPauseChanged = (before.progress.pause === undefined) !== (after.progress.pause === undefined)
  return [
    ...(input.url === undefined ? [] : ['url' as const]),
    ...(JSON.stringify(before.filter) === JSON.stringify(after.filter) ? [] : ['filter' as const]),
    ...(isPauseChanged
      ? [after.progress.pause === undefined ? ('resumed' as const) : ('paused' as const)]
      : []),
    ...(input.secret === undefined ? [] : ['secret' as const]),
    ...(input.replay === undefined ? [] : ['replay' as const]),
  ]
}
