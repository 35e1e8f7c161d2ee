import type { z } from 'zod'
import type { LedgerEvent } from '../../ledger/entry.ts'
import type { SeenEntry } from '../../ledger/sight-store.ts'
import type * as shapes from './event-shapes.ts'
import { wireTime } from './wire.ts'

export function wireEntry({ sequence, digest, hash, told }: SeenEntry): z.infer<typeof shapes.LedgerEvent> {
  if (told === undefined) return { sequence, digest, hash }
  const { at, actor, client, event, hashed } = told
  return { sequence, digest, hash, at: wireTime(at), kind: event.kind, actor: actor ?? null, client, event: wireEvent(event), ...hashed }
}

/** The fields of whatever kind in the words of our own door: snake_case, and RFC 3339 for times, which end in `At`. */
function wireEvent({ kind: _kind, ...fields }: LedgerEvent): Record<string, unknown> {
  return wireFields(fields)
}

function wireFields(fields: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]: [string, unknown]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      name.endsWith('At') && typeof value === 'number' ? wireTime(value) : wireValue(value),
    ]),
  )
}

function wireValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(wireValue)
  return typeof value === 'object' && value !== null ? wireFields(value) : value
}
