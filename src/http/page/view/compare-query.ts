import { z } from 'zod'
import { viewPath } from '../html/parts.ts'
import { OptionalText, withQuery } from '../html/query.ts'

/** The query of a comparison: the states to compare, as in the API, and a filter of packages. */
export const CompareQuery = z.object({
  at: OptionalText,
  with: OptionalText,
  with_at: OptionalText,
  origin: OptionalText,
  name: OptionalText,
  /** The package and the target after which the page begins. */
  after: OptionalText,
})
export type CompareQuery = z.infer<typeof CompareQuery>

/** Returns the path of a comparison of a view with another one, or with another state of itself. */
export function comparePath(view: string, query: Partial<CompareQuery> = {}): string {
  return withQuery(`${viewPath(view)}/compare`, query)
}
