import { test } from 'tap'
import { sweepHighest } from '../../src/views/sweep.ts'
import type { Span, MembershipInterval } from '../../src/views/sweep.ts'
import { seeded } from '../support/random.ts'

const interval = (ident: string, from: number, to?: number): MembershipInterval => ({
  ident,
  orderKey: ident,
  from,
  to,
})

test('the highest release is the latest while it is a member, and lower ones are the latest before and after', async (t) => {
  t.strictSame(sweepHighest([interval('b', 2, 5), interval('a', 1)]), [
    { ident: 'a', from: 1, to: 2 },
    { ident: 'b', from: 2, to: 5 },
    { ident: 'a', from: 5, to: undefined },
  ])
})

test('an empty line has no latest release, and a release that rejoins without leaving remains the latest', async (t) => {
  t.strictSame(sweepHighest([]), [])
  t.strictSame(sweepHighest([interval('a', 1, 2), interval('a', 2, 3), interval('b', 5, 6)]), [
    { ident: 'a', from: 1, to: 3 },
    { ident: 'b', from: 5, to: 6 },
  ])
})

test('the result equals a search through each revision', async (t) => {
  const random = seeded(11)
  for (let run = 0; run < 50; run += 1) {
    const intervals: MembershipInterval[] = []
    for (const ident of 'abcdef') {
      for (let revision = Math.floor(random() * 6); revision < 20; revision += 1 + Math.floor(random() * 4)) {
        const from = revision
        revision += 1 + Math.floor(random() * 6)
        intervals.push(interval(ident, from, revision > 18 ? undefined : revision))
      }
    }
    const highestAt = (revision: number) =>
      intervals
        .filter(({ from, to }) => from <= revision && (to ?? Infinity) > revision)
        .map(({ ident }) => ident)
        .toSorted()
        .at(-1)
    const spans = sweepHighest(intervals)
    const heldAt = (revision: number) =>
      spans
        .filter(({ from, to }: Span) => from <= revision && (to ?? Infinity) > revision)
        .map(({ ident }) => ident)
    for (let revision = 0; revision < 25; revision += 1)
      t.strictSame(
        heldAt(revision),
        [highestAt(revision)].filter((ident) => ident !== undefined),
        `run ${run}, revision ${revision}`,
      )
    t.ok(
      spans.every(
        (span, index) => span.to !== spans[index + 1]?.from || span.ident !== spans[index + 1]?.ident,
      ),
      'no span is cut in two',
    )
  }
})
