import type { z } from 'zod'
import { fieldsOf } from '../../events/event-fields.ts'
import type { SeenEntry } from '../../events/sight-store.ts'
import type * as shapes from './event-shapes.ts'
import { wireTime } from './wire.ts'

export function wireEntry({ sequence, digest, hash, told }: SeenEntry): z.infer<typeof shapes.LedgerEvent> {
  if (told === undefined) return { sequence, digest, hash }
  const { at, actor, client, event, hashed } = told
  return {
    sequence,
    digest,
    hash,
    at: wireTime(at),
    kind: event.kind,
    actor: actor ?? null,
    client,
    event: fieldsOf(event),
    ...hashed,
  }
}
