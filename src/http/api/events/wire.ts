import type { z } from 'zod'
import { fieldsOf } from '../../../events/event-fields.ts'
import type { VisibleEntry } from '../../../events/visibility-store.ts'
import { wireTime } from '../conventions/wire.ts'
import type * as shapes from './shapes.ts'

export function wireEntry({
  sequence,
  digest,
  hash,
  content,
}: VisibleEntry): z.infer<typeof shapes.LedgerEvent> {
  if (content === undefined) return { sequence, digest, hash }
  const { at, actor, client, event, hashed } = content
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
