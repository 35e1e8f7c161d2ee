import type { z } from 'zod'
import type { ChangeRecord } from '../../../changes/change-record.ts'
import { wireTime } from '../conventions/wire.ts'
import type * as shapes from './shapes.ts'

/** Converts a change record to JSON. */
export function wireChange(
  record: ChangeRecord,
  more: {
    /** The views in which all present releases of the change are the latest. */
    delivered: readonly string[]
    /** The client's id of the newest change of the project, if it is newer than this one. */
    newer: string | undefined
    /**
     * The client's id of a newer change that is the latest in some view, if this one is the latest in none.
     */
    supersededBy: string | undefined
  },
): z.infer<typeof shapes.Change> {
  return {
    id: record.publicId,
    project: record.project,
    change: record.change,
    commit: record.commit,
    branch: record.branch ?? null,
    url: record.url ?? null,
    by: record.by ?? null,
    at: wireTime(record.at),
    targets: [...record.targets],
    state: record.state,
    releases: record.releases.map(({ ident, target, checksum, signer, at, replacedBy }) => ({
      release: ident,
      target,
      checksum,
      signer,
      at: wireTime(at),
      replaced: replacedBy !== undefined,
    })),
    phases: record.phases.map(({ phase, view, status, job, message, by, at, releaseCount }) => ({
      phase,
      view: view ?? null,
      status,
      job: job ?? null,
      message: message ?? null,
      by: by ?? null,
      at: wireTime(at),
      covers: releaseCount,
    })),
    delivered: [...more.delivered],
    newer: more.newer ?? null,
    superseded_by: more.supersededBy ?? null,
  }
}
