/** From the revision at which something began until before that at which it ended; `undefined` while it lasts. */
export interface Span {
  readonly ident: string
  readonly from: number
  readonly to: number | undefined
}

/** A membership, with what its release sorts by. */
export interface MembershipInterval extends Span {
  readonly orderKey: string
}

/** Which member of a line was the highest and when, oldest first, from all of its memberships in any order. */
export function sweepHighest(intervals: readonly MembershipInterval[]): Span[] {
  const joining = Map.groupBy(intervals, ({ from }) => from)
  const revisions = new Set(intervals.flatMap(({ from, to }) => (to === undefined ? [from] : [from, to])))
  const inside: MembershipInterval[] = [] // lowest first; those that left stay until they would be the highest
  const spans: Span[] = []
  for (const revision of [...revisions].toSorted((a, b) => a - b)) {
    for (const interval of joining.get(revision) ?? []) inside.splice(placeOf(interval, inside), 0, interval)
    while (hasLeft(inside.at(-1), revision)) inside.pop()
    const last = spans.at(-1)
    const isHeld = last !== undefined && last.to === undefined
    const highest = inside.at(-1)
    if (isHeld && last.ident === highest?.ident) continue
    if (isHeld) spans.splice(-1, 1, { ...last, to: revision })
    if (highest !== undefined) spans.push({ ident: highest.ident, from: revision, to: undefined })
  }
  return spans
}

function hasLeft(interval: MembershipInterval | undefined, revision: number): boolean {
  return interval?.to !== undefined && interval.to <= revision
}

/** Where it belongs among those that are sorted by their keys; behind those of its own, which are the same release before. */
function placeOf({ orderKey }: MembershipInterval, sorted: readonly MembershipInterval[]): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle]?.orderKey ?? '') <= orderKey) low = middle + 1
    else high = middle
  }
  return low
}
