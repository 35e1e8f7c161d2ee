import type { Generated } from 'kysely'

export interface WebhookTables {
  webhooks: WebhooksTable
  webhook_deliveries: WebhookDeliveriesTable
}

export interface WebhooksTable {
  id: Generated<number>
  name: string
  key: string
  host: string
  url: string
  secret: string
  previous_secret: string | null
  previous_until: number | null
  filter: string
  maker_id: number | null
  version: Generated<number>
  created_at: number
  position: number
  replay_next: number | null
  replay_to: number | null
  attempts: Generated<number>
  next_attempt_at: number | null
  failing_since: number | null
  paused_at: number | null
  paused_why: 'asked' | 'failing' | 'gone' | null
}

interface WebhookDeliveriesTable {
  id: Generated<number>
  webhook_id: number
  sequence: number
  attempt: number
  at: number
  duration_ms: number
  status: number | null
  error: string | null
  excerpt: string
}
