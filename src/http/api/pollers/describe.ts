import type { z } from 'zod'
import type { Target } from '../../../package/target.ts'
import { estimateLines } from '../../../pollers/pollers.ts'
import type { PollCounts, PolledLine } from '../../../pollers/pollers.ts'
import type { RouteContext } from '../../requests/request.ts'
import { wireTime } from '../conventions/wire.ts'
import type { PollersAnswer } from './shapes.ts'

type Line = z.infer<typeof PollersAnswer>['lines'][number]

/** Converts the counts of the selected lines to the JSON of the API. */
export function describeLines(
  counts: PollCounts,
  answers: RouteContext['answers'],
  isSelected: (line: PolledLine) => boolean,
): Line[] {
  const lines = counts.lines.filter(isSelected)
  return estimateLines({ ...counts, lines }).map(
    ({ view, package: of, target, pollers, revision, upToDate, uptake }) => {
      const pointer = answers.pointerOf(view, { package: of, target })
      const isPresent = pointer?.revision === revision
      return {
        view,
        package: of,
        target: target as Target,
        pollers,
        revision: pointer?.revision ?? null,
        up_to_date: pointer === undefined ? null : isPresent ? upToDate : 0,
        uptake: isPresent ? uptake.map((point) => ({ ...point, at: wireTime(point.at) })) : [],
      }
    },
  )
}
