import type { z } from 'zod'
import { releaseKey } from '../../../package/ident.ts'
import { formatColumns } from '../../../text/columns.ts'
import { identParts, page, stateText, timeText, versionText } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

export function diffText({ from, to, differences, next }: z.infer<typeof shapes.Diff>): string {
  const rows = differences.map((line) => [
    line.package,
    versionText(line.from),
    versionText(line.to),
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
    ? `republished: ${from?.slice(0, SHOWN_OF_CHECKSUM)} became ${to?.slice(0, SHOWN_OF_CHECKSUM)}`
    : change
}

const SHOWN_OF_CHECKSUM = 12

export function holdersText({ holders, target, next }: z.infer<typeof shapes.Holders>): string {
  const rows = holders.map((interval) => [...identParts(interval.ident), target, ...intervalCells(interval)])
  return page(['PACKAGE', 'VERSION', 'RELEASE', 'TARGET', ...INTERVAL_HEADING], rows, next)
}

export const INTERVAL_HEADING = ['FROM', 'SINCE', 'TO', 'UNTIL']

export function intervalCells(interval: z.infer<typeof shapes.Interval>): string[] {
  return [
    String(interval.from_revision),
    timeText(interval.since),
    interval.to_revision === null ? '' : String(interval.to_revision),
    timeText(interval.until),
  ]
}

export function historyText({ revisions, next }: z.infer<typeof shapes.History>): string {
  return page(HISTORY_HEADING, revisions.flatMap(historyRows), next)
}

export function revisionText(revision: z.infer<typeof shapes.RevisionShape>): string {
  return formatColumns(HISTORY_HEADING, historyRows(revision))
}

const HISTORY_HEADING = ['REVISION', 'AT', 'ACT', 'BY', 'PACKAGE', 'FROM', 'TO', 'TARGET', 'REASON']

/** Makes a row for each move of `latest`, and for each release that joined or left without moving it. */
function historyRows(revision: z.infer<typeof shapes.RevisionShape>): string[][] {
  const { pointers } = revision
  const moved = new Set(pointers.flatMap(({ from, to, target }) => [`${from} ${target}`, `${to} ${target}`]))
  const joinedOrLeft = [
    ...revision.joined.map((release) => ({ ...release, sign: '+' })),
    ...revision.left.map((release) => ({ ...release, sign: '-' })),
  ]
  const lines = [
    ...pointers.map((move) => [move.package, versionText(move.from), versionText(move.to), move.target]),
    ...joinedOrLeft
      .filter((release) => !moved.has(releaseKey(release)))
      .map(({ ident, target, sign }) => [
        identParts(ident)[0] ?? '',
        '',
        `${sign} ${versionText(ident)}`,
        target,
      ]),
  ]
  const { act, of, only, rule, override } = revision
  const within = only === null ? '' : ` for ${only.origin ?? '*'}/${only.name ?? '*'}`
  const what =
    rule !== null
      ? `${act} ${rule}`
      : of === null
        ? act
        : `${act === 'rollback' ? 'rollback to' : `${act} of`} ${of}${within}`
  const why = override === null ? (revision.reason ?? revision.cause ?? '') : `OVERRIDE: ${override.reason}`
  const head = [String(revision.revision), timeText(revision.at), what, revision.actor ?? '']
  return (lines.length === 0 ? [['', '', '', '']] : lines).map((line) => [...head, ...line, why])
}
