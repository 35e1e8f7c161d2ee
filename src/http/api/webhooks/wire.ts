import type { z } from 'zod'
import { stateOf } from '../../../webhooks/progress.ts'
import type { Progress } from '../../../webhooks/progress.ts'
import type { Receipt } from '../../../webhooks/send.ts'
import { messageId } from '../../../webhooks/webhook.ts'
import type { Delivery, Webhook } from '../../../webhooks/webhook.ts'
import { wireTime } from '../conventions/wire.ts'
import type * as shapes from './shapes.ts'

export function wireWebhook(
  webhook: Webhook,
  more: { url: string | undefined; progress: Progress; behind: number },
): z.infer<typeof shapes.Webhook> {
  const { position, replay, attempts, nextAttemptAt, failingSince, pause } = more.progress
  return {
    name: webhook.name,
    url: more.url ?? null,
    filter: webhook.filter as z.infer<typeof shapes.Webhook>['filter'],
    state: stateOf(more.progress),
    position,
    behind: more.behind,
    replay: replay ?? null,
    attempts,
    next_attempt_at: wireTime(nextAttemptAt),
    failing_since: wireTime(failingSince),
    paused: pause === undefined ? null : { since: wireTime(pause.at), why: pause.why },
    created_at: wireTime(webhook.createdAt),
    created_by: webhook.maker ?? null,
    previous_secret_until: wireTime(webhook.previous?.until),
  }
}

export function wireDelivery(
  webhook: Webhook,
  { sequence, attempt, at, durationMs, status, error, excerpt }: Delivery,
): z.infer<typeof shapes.Deliveries>['deliveries'][number] {
  return {
    id: messageId(webhook.key, sequence),
    sequence,
    attempt,
    at: wireTime(at),
    status: status ?? null,
    error: error ?? null,
    answer: excerpt,
    duration_ms: durationMs,
  }
}

export function wirePing(
  id: string,
  { verdict, status, error, excerpt, durationMs }: Receipt,
): z.infer<typeof shapes.Ping> {
  return {
    id,
    accepted: verdict === 'accepted',
    status: status ?? null,
    error: error ?? null,
    answer: excerpt,
    duration_ms: durationMs,
  }
}
