import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Test } from 'tap'
import { callApi } from '../call-api.ts'
import { ManualTimers } from './manual-timers.ts'
import { startReceiver } from './receiver.ts'
import type { Received, Receiver } from './receiver.ts'
import { makeView } from '../release-rows.ts'
import { startDepot } from '../start-depot.ts'
import type { TestDepot } from '../start-depot.ts'

// Differs from every delay between attempts, so that tests can tell them apart.
export const TIMEOUT_MS = 7_000
const ALLOWED = { DEPOT_WEBHOOK_NETWORKS: '127.0.0.0/8' }

/** A depot, a receiver on a loopback address that the depot may reach, and manual timers. */
export interface Scene extends TestDepot {
  readonly timers: ManualTimers
  readonly receiver: Receiver
}

export async function scene(t: Test, more: { folder?: string; receiver?: Receiver } = {}): Promise<Scene> {
  const timers = new ManualTimers()
  const receiver = more.receiver ?? (await startReceiver(t))
  const started = await startDepot(t, {
    environment: ALLOWED,
    webhooks: { after: timers.after, random: () => 0, timeoutMs: TIMEOUT_MS },
    ...(more.folder !== undefined && { folder: more.folder }),
  })
  return { ...started, timers, receiver }
}

/** Creates a webhook whose path at the receiver is its name, and returns its secret. */
export async function hook(
  started: Scene,
  name: string,
  body: Record<string, unknown> = {},
): Promise<string> {
  const answer = await callApi(started, 'POST', '/api/v1/webhooks', {
    body: { name, url: `${started.receiver.url}${name}`, ...body },
  })
  if (answer.status !== 201) throw new Error(answer.text)
  return String(answer.body?.['secret'])
}

/** Creates a view for each name, and returns the sequence numbers of the entries. */
export async function entries(started: TestDepot, ...names: string[]): Promise<number[]> {
  for (const name of names) await makeView(started, name, 'promoted')
  const rows = await started.depot.db
    .selectFrom('ledger')
    .select('sequence')
    .orderBy('sequence', 'desc')
    .limit(names.length)
    .execute()
  return rows.map(({ sequence }) => sequence).toReversed()
}

export async function state(started: TestDepot, name: string): Promise<Record<string, unknown>> {
  const answer = await callApi(started, 'GET', `/api/v1/webhooks/${name}`)
  return { ...answer.body, differences: answer.differences }
}

export async function deliveries(started: TestDepot, name: string): Promise<Record<string, unknown>[]> {
  const { body, differences } = await callApi(started, 'GET', `/api/v1/webhooks/${name}/deliveries`)
  if (differences !== '') throw new Error(differences)
  return (body?.['deliveries'] ?? []) as Record<string, unknown>[]
}

/** Verifies a signature without code of the depot (standardwebhooks.com, "Verifying signatures"). */
export function verifies(secret: string, { id, headers, text }: Received): boolean {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
  const expected = createHmac('sha256', key)
    .update(`${id}.${String(headers['webhook-timestamp'])}.${text}`)
    .digest()
  const given = String(headers['webhook-signature'])
    .split(' ')
    .filter((signature) => signature.startsWith('v1,'))
  return given.some((signature) => timingSafeEqual(Buffer.from(signature.slice(3), 'base64'), expected))
}
