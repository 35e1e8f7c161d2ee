import type { z } from 'zod'
import type * as shapes from './shapes.ts'
import { identParts, page, seconds, versionOf } from '../conventions/text.ts'

export function diffText({ from, to, differences, next }: z.infer<typeof shapes.Diff>): string {
  const rows = differences.map((line) => [
    line.package,
    versionOf(line.from),
    versionOf(line.to),
    line.target,
    changeText(line),
  ])
  return `from ${stateText(from)}\nto   ${stateText(to)}\n\n${page(['PACKAGE', 'FROM', 'TO', 'TARGET', 'CHANGE'], rows, next)}`
}

/**
 * Formats a change. A republished release has the same ident, so the beginnings of the checksums are shown.
 */
function changeText({
  change,
  from_checksum: from,
  to_checksum: to,
}: z.infer<typeof shapes.Diff>['differences'][number]): string {
  return change === 'republished'
    ? `republished: ${from?.slice(0, SHOWN)} became ${to?.slice(0, SHOWN)}`
    : change
}

const SHOWN = 12

export function holdersText({ holders, target, next }: z.infer<typeof shapes.Holders>): string {
  const rows = holders.map((interval) => [...identParts(interval.ident), target, ...intervalCells(interval)])
  return page(['PACKAGE', 'VERSION', 'RELEASE', 'TARGET', ...INTERVAL], rows, next)
}

export function membershipsText({ views, next }: z.infer<typeof shapes.Memberships>): string {
  return page(
    ['VIEW', ...INTERVAL],
    views.map((membership) => [membership.view, ...intervalCells(membership)]),
    next,
  )
}

const INTERVAL = ['FROM', 'SINCE', 'TO', 'UNTIL']

function intervalCells(interval: {
  from_revision: number
  since: string
  to_revision: number | null
  until: string | null
}): string[] {
  return [
    String(interval.from_revision),
    seconds(interval.since),
    interval.to_revision === null ? '' : String(interval.to_revision),
    seconds(interval.until),
  ]
}

function stateText({ view, revision, at }: { view: string; revision: number; at: string | null }): string {
  return `${view} at revision ${revision}${at === null ? '' : `, made ${seconds(at)}`}`
}
