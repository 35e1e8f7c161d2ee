import type { Caller } from '../../../access/access.ts'
import { expectAdministrator, passes } from '../../../access/rights.ts'
import type { PolledLine } from '../../../pollers/pollers.ts'
import { findRevisionTime } from '../../../revisions/revision-store.ts'
import type { View } from '../../../views/view.ts'
import { describeLines } from '../../api/pollers/describe.ts'
import type { RouteContext } from '../../requests/request.ts'

/** The maximum number of packages whose figures a page shows. */
const SHOWN_LINES = 40

/** What the API says of a package in a view, with the release that is latest there. */
export interface LineFigures {
  readonly view: string
  /** `origin/name` */
  readonly package: string
  readonly target: string
  readonly ident: string
  /** When that release became the latest, in epoch milliseconds. */
  readonly movedAt: number
  readonly pollers: number
  /** The pollers that got that release. */
  readonly upToDate: number
  /** How `upToDate` grew since `movedAt`; `undefined` if the depot did not count then. */
  readonly uptake: readonly { readonly at: number; readonly pollers: number }[] | undefined
}

export interface FleetFigures {
  /** Whether the depot counts pollers. Without that, nothing is known. */
  readonly isCounting: boolean
  /** Since when pollers have been counted, in epoch milliseconds. */
  readonly since: number
  /** In each view, those that moved last come first. */
  readonly lines: readonly LineFigures[]
  /** The number of polled packages that are not in `lines`. */
  readonly others: number
}

/**
 * Reads what is known about the pollers of packages in some views. Returns `undefined` for callers to whom
 * the API does not show pollers.
 */
export async function readFleet(
  { depot, answers, pollCounts }: Pick<RouteContext, 'depot' | 'answers' | 'pollCounts'>,
  caller: Caller,
  views: readonly Pick<View, 'id' | 'name'>[],
  isSelected: (line: PolledLine & { readonly revision: number }) => boolean = () => true,
): Promise<FleetFigures | undefined> {
  if (caller === undefined || !passes(() => expectAdministrator(caller))) return undefined
  const counts = await pollCounts()
  const viewIds = new Map<string, number>(views.map(({ id, name }) => [name, id]))
  const revisionOf = (line: PolledLine) => answers.pointerOf(line.view, line)?.revision ?? 0
  const polled = counts.lines
    .filter((line) => viewIds.has(line.view) && isSelected({ ...line, revision: revisionOf(line) }))
    .toSorted((one, other) => revisionOf(other) - revisionOf(one))
  const lines = describeLines({ ...counts, lines: polled.slice(0, SHOWN_LINES) }, answers, () => true)
  const figures = await Promise.all(
    lines.map(async ({ uptake, up_to_date: upToDate, revision, ...line }) => {
      const ident = answers.pointerOf(line.view, line)?.ident
      if (ident === undefined || revision === null || upToDate === null) return []
      const movedAt = (await findRevisionTime(depot.db, viewIds.get(line.view) ?? 0, revision)) ?? 0
      const points = uptake.map(({ at, pollers }) => ({ at: Date.parse(at), pollers }))
      return [{ ...line, ident, movedAt, upToDate, uptake: movedAt < counts.since ? undefined : points }]
    }),
  )
  return {
    isCounting: depot.config.countsPollers,
    since: counts.since,
    lines: figures.flat().toSorted((one, other) => other.movedAt - one.movedAt),
    others: Math.max(0, polled.length - SHOWN_LINES),
  }
}
