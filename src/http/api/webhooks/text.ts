import type { z } from 'zod'
import { page, timeText } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

export function webhooksText({ webhooks, next }: z.infer<typeof shapes.Webhooks>): string {
  return page(HEADING, webhooks.map(row), next)
}

export function webhookText(webhook: z.infer<typeof shapes.Webhook>): string {
  return page(HEADING, [row(webhook)], null)
}

export function deliveriesText({ deliveries, next }: z.infer<typeof shapes.Deliveries>): string {
  const rows = deliveries.map(({ at, sequence, attempt, status, duration_ms: ms, error, answer }) => [
    timeText(at),
    String(sequence),
    String(attempt),
    status === null ? '' : String(status),
    String(ms),
    error ?? 'accepted',
    answer.slice(0, SHOWN_OF_ANSWER),
  ])
  return page(['AT', 'SEQUENCE', 'ATTEMPT', 'STATUS', 'MS', 'OUTCOME', 'ANSWER'], rows, next)
}

const HEADING = ['WEBHOOK', 'STATE', 'WHY', 'SINCE', 'POSITION', 'BEHIND', 'ATTEMPTS', 'NEXT ATTEMPT', 'URL']
const SHOWN_OF_ANSWER = 60

function row({
  name,
  state,
  paused,
  failing_since: failing,
  position,
  behind,
  attempts,
  next_attempt_at: next,
  url,
}: z.infer<typeof shapes.Webhook>): string[] {
  return [
    name,
    state,
    paused?.why ?? '',
    timeText(paused?.since ?? failing),
    String(position),
    String(behind),
    String(attempts),
    timeText(next),
    url ?? '',
  ]
}
