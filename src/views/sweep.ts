/**
 * A release over a range of revisions: `from` is included; `to` is excluded, and `undefined` while the span
 * isInForce.
 */
export interface Span {
  readonly ident: string
  readonly from: number
  readonly to: number | undefined
}

/** The interval of one membership, with the sort key of its release. */
export interface MembershipInterval extends Span {
  readonly orderKey: string
}

/**
 * Returns the highest member of a line over time, oldest first. Takes all memberships of the line in any
 * order.
 */
export function sweepHighest(intervals: readonly MembershipInterval[]): Span[] {
  const joining = Map.groupBy(intervals, ({ from }) => from)
  const revisions = new Set(intervals.flatMap(({ from, to }) => (to === undefined ? [from] : [from, to])))
  const present: MembershipInterval[] = [] // lowest first; a membership that has ended is removed once it is the highest
  const spans: Span[] = []
  for (const revision of [...revisions].toSorted((a, b) => a - b)) {
    for (const interval of joining.get(revision) ?? [])
      present.splice(placeOf(interval, present), 0, interval)
    while (hasLeft(present.at(-1), revision)) present.pop()
    const last = spans.at(-1)
    const isOpen = last !== undefined && last.to === undefined
    const highest = present.at(-1)
    if (isOpen && last.ident === highest?.ident) continue
    if (isOpen) spans.splice(-1, 1, { ...last, to: revision })
    if (highest !== undefined) spans.push({ ident: highest.ident, from: revision, to: undefined })
  }
  return spans
}

function hasLeft(interval: MembershipInterval | undefined, revision: number): boolean {
  return interval?.to !== undefined && interval.to <= revision
}

/**
 * Returns the index at which to insert an interval: after all intervals with the same key, which are earlier
 * ones of the same release.
 */
function placeOf({ orderKey }: MembershipInterval, sorted: readonly MembershipInterval[]): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle]?.orderKey ?? '') <= orderKey) low = middle + 1
    else high = middle
  }
  return low
}
