/**
 * What a maintainer can say of a release. `latest` does not answer a `yanked` one under the rule `highest`,
 * and it cannot be promoted; a `deprecated` one should be replaced; a `held` one is not deleted.
 */
export const MARKS = ['yanked', 'deprecated', 'held'] as const
export type Mark = (typeof MARKS)[number]

/** Why a release has a mark. */
export interface Notice {
  readonly reason: string
  /** The account that set the mark; `undefined` for the depot's shell. */
  readonly by: string | undefined
  /** Epoch milliseconds. */
  readonly since: number
}

/** Parses the column of a mark. */
export function noticeOf(column: string | null): Notice | undefined {
  if (column === null) return undefined
  const { reason, by, since } = JSON.parse(column) as Notice
  return { reason, by, since }
}
