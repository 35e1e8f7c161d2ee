/**
 * A range of revisions in which an ident has a place, for example as the answer of `latest`. `from` is
 * included; `to` is excluded, and `undefined` if the range has not ended.
 */
export interface Span {
  readonly ident: string
  readonly from: number
  readonly to: number | undefined
}

/** The revisions in which a release is a member without interruption, with the release's sort key. */
export interface MembershipInterval extends Span {
  readonly orderKey: string
}

/**
 * Returns the highest member of a line over time, oldest first. Takes all memberships of the line in any
 * order. Sweeps over the revisions at which members join or leave, and keeps the present members sorted.
 */
export function sweepHighest(intervals: readonly MembershipInterval[]): Span[] {
  const joining = Map.groupBy(intervals, ({ from }) => from)
  const revisions = new Set(intervals.flatMap(({ from, to }) => (to === undefined ? [from] : [from, to])))
  // Lowest first. A membership that has ended stays in the list until it is the highest.
  const present: MembershipInterval[] = []
  const spans: Span[] = []
  for (const revision of [...revisions].toSorted((a, b) => a - b)) {
    for (const interval of joining.get(revision) ?? [])
      present.splice(insertionIndex(interval, present), 0, interval)
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
 * memberships of the same release.
 */
function insertionIndex({ orderKey }: MembershipInterval, sorted: readonly MembershipInterval[]): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle]?.orderKey ?? '') <= orderKey) low = middle + 1
    else high = middle
  }
  return low
}
