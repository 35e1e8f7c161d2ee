import type { z } from 'zod'
import type { Revision } from '../../../revisions/history-store.ts'
import { wireTime } from '../conventions/wire.ts'
import type * as shapes from './shapes.ts'

/** Converts an interval between two revisions. Without `to`, it still lasts. */
export function wireInterval({
  from,
  since,
  to,
  until,
}: {
  from: number
  since: number
  to: number | undefined
  until: number | undefined
}) {
  return { from_revision: from, since: wireTime(since), to_revision: to ?? null, until: wireTime(until) }
}

export function wireRevision(revision: Revision): z.infer<typeof shapes.RevisionShape> {
  const {
    at,
    act,
    account,
    client,
    cause,
    reason,
    of,
    only,
    rule,
    source,
    proposer,
    override,
    joined,
    left,
    pointers,
  } = revision
  return {
    revision: revision.revision,
    at: wireTime(at),
    act,
    actor: account ?? null,
    client,
    cause: cause ?? null,
    reason: reason ?? null,
    of: of ?? null,
    only: only === undefined ? null : { origin: only.origin ?? null, name: only.name ?? null },
    rule: rule ?? null,
    source: source ?? null,
    proposer: proposer ?? null,
    override: override === undefined ? null : { reason: override.reason, refusals: [...override.refusals] },
    joined: [...joined],
    left: [...left],
    pointers: [...pointers],
  }
}
