import type { z } from 'zod'
import { formatColumns } from '../../../text/columns.ts'
import { page, timeText, sections } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

type Change = z.infer<typeof shapes.Change>

export function changesText({ changes, next }: z.infer<typeof shapes.Changes>): string {
  const rows = changes.map((change) => [
    change.project,
    change.change,
    change.state,
    change.delivered.join(' '),
    String(change.releases.filter(({ replaced }) => !replaced).length),
    change.by ?? '',
    timeText(change.at),
    change.id,
  ])
  return page(['PROJECT', 'CHANGE', 'STATE', 'LATEST IN', 'RELEASES', 'BY', 'AT', 'ID'], rows, next)
}

export function changeText(change: Change): string {
  const fields = [
    ['change', change.change],
    ['commit', change.commit],
    ['branch', change.branch ?? ''],
    ['url', change.url ?? ''],
    ['by', change.by ?? ''],
    ['at', timeText(change.at)],
    ['targets', change.targets.join(' ')],
    ['state', change.state],
    ['latest in', change.delivered.join(' ')],
    ['superseded by', change.superseded_by ?? ''],
    ['id', change.id],
  ]
  const releases = change.releases.map(({ release, target, checksum, signer, replaced }) => [
    release,
    target,
    checksum,
    signer,
    replaced ? 'yes' : '',
  ])
  return sections(
    formatColumns(['PROJECT', change.project], fields),
    releases.length === 0
      ? ''
      : formatColumns(['RELEASE', 'TARGET', 'CHECKSUM', 'SIGNER', 'REPLACED'], releases),
    change.phases.length === 0 ? '' : phasesText(change),
  )
}

function phasesText({ phases, releases }: Change): string {
  const rows = phases.map(({ phase, view, status, covers, at, by, job, message }) => [
    phase,
    view ?? '',
    status,
    covers < releases.length ? `${covers} of ${releases.length}` : '',
    timeText(at),
    by ?? '',
    job ?? '',
    message?.replaceAll(/\s+/g, ' ') ?? '',
  ])
  return formatColumns(['PHASE', 'VIEW', 'STATUS', 'RELEASES', 'AT', 'BY', 'JOB', 'MESSAGE'], rows)
}

export function leaseText({ fence, expires_at: expires }: z.infer<typeof shapes.Lease>): string {
  return formatColumns(['FENCE', 'EXPIRES'], [[String(fence), timeText(expires)]])
}
