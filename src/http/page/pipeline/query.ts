import { z } from 'zod'
import { parsePeriod } from '../../../text/period.ts'
import { OptionalText, withQuery } from '../html/query.ts'
import type { RowFilter } from './read-rows.ts'

const Period = z
  .union([
    z.literal(''),
    z.string().refine((text) => parsePeriod(text) !== undefined, 'is a period, such as 1d'),
  ])
  .transform((text) => text || undefined)
  .optional()

export const PipelineQuery = z.object({
  origin: OptionalText,
  name: OptionalText,
  changed: Period,
  behind: Period,
  differs: z.literal('1').optional(),
  all: z.literal('1').optional(),
  /** Names of views, with commas. */
  views: z.string().max(2_000).optional(),
  /** A package and a target. */
  after: z.string().max(600).optional(),
})
export type PipelineQuery = z.infer<typeof PipelineQuery>

/** Returns the path of the pipeline with these parameters. */
export function pipelinePath(query: PipelineQuery): string {
  return withQuery('/', query)
}

export function filterOf({ origin, name, changed, behind, differs }: PipelineQuery): RowFilter {
  return {
    origin,
    text: name,
    differs: differs === '1',
    changedWithinMs: changed === undefined ? undefined : parsePeriod(changed),
    behindForMs: behind === undefined ? undefined : parsePeriod(behind),
  }
}
