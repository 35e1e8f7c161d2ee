import { test } from 'tap'
import { parseIdent, releaseName } from '../../src/package/ident.ts'
import { orderKey } from '../../src/package/version.ts'
import { restoreLine, revertLine } from '../../src/revisions/restore.ts'
import type { PastRelease, Restored } from '../../src/revisions/restore.ts'
import type { ViewRule } from '../../src/views/rule.ts'

let lastId = 0

function release(version: string, isDeleted = false): PastRelease {
  const ident = parseIdent(`acme/app/${version}/20260101000000`)
  lastId += 1
  return {
    releaseId: lastId,
    packageId: 1,
    originId: 1,
    ident,
    target: 'x86_64-linux',
    orderKey: orderKey(ident),
    isDeleted,
    isSkipped: false,
    yanked: undefined,
    deprecated: undefined,
  }
}

const [one, two, three, gone] = [release('1.0'), release('2.0'), release('3.0'), release('4.0', true)]
const always = (rule: ViewRule) => ({ past: rule, present: rule })
const told = ({ delta, conflicts }: Restored) => ({
  joining: delta.joining.map((joining) => joining.release.ident.version),
  leaving: delta.leaving.map(({ ident }) => ident.version),
  conflicts: conflicts.length,
})

test('releases that did not change are kept', async (t) => {
  for (const rule of ['promoted', 'highest'] as const)
    t.strictSame(told(restoreLine(always(rule), [one, two], [one, two])), {
      joining: [],
      leaving: [],
      conflicts: 0,
    })
})

test('later releases leave, and earlier ones return', async (t) => {
  t.strictSame(told(restoreLine(always('promoted'), [one, two], [one, three])), {
    joining: ['2.0'],
    leaving: ['3.0'],
    conflicts: 0,
  })
  t.strictSame(told(restoreLine(always('highest'), [one, two], [one, three])), {
    joining: ['2.0'],
    leaving: ['3.0'],
    conflicts: 0,
  })
})

test('promoted restores the former order from the first difference; highest ignores order', async (t) => {
  t.strictSame(told(restoreLine(always('promoted'), [one, three, two], [one, two, three])), {
    joining: ['3.0', '2.0'],
    leaving: [],
    conflicts: 0,
  })
  t.strictSame(told(restoreLine(always('promoted'), [one, two], [two, one])), {
    joining: ['1.0', '2.0'],
    leaving: [],
    conflicts: 0,
  })
  t.strictSame(told(restoreLine(always('highest'), [one, two], [two, one])), {
    joining: [],
    leaving: [],
    conflicts: 0,
  })
})

test('a deleted release does not return, and is a conflict if it was latest', async (t) => {
  t.strictSame(told(restoreLine(always('promoted'), [gone, one], [two])), {
    joining: ['1.0'],
    leaving: ['2.0'],
    conflicts: 0,
  })
  t.strictSame(told(restoreLine(always('promoted'), [one, gone], [two])), {
    joining: ['1.0'],
    leaving: ['2.0'],
    conflicts: 1,
  })
  t.match(restoreLine(always('highest'), [gone, one], [one]).conflicts, [{ names: [releaseName(gone)] }])
})

test('latest returns under another rule: last under promoted, a conflict under highest if another release is higher', async (t) => {
  const nowPromoted = { past: 'highest', present: 'promoted' } as const
  t.strictSame(told(restoreLine(nowPromoted, [two, one], [two, one])), {
    joining: ['1.0', '2.0'],
    leaving: [],
    conflicts: 0,
  })
  t.strictSame(told(restoreLine(nowPromoted, [one, two], [one, three])), {
    joining: ['2.0'],
    leaving: ['3.0'],
    conflicts: 0,
  })
  const nowHighest = { past: 'promoted', present: 'highest' } as const
  t.strictSame(told(restoreLine(nowHighest, [one, two], [one, three])), {
    joining: ['2.0'],
    leaving: ['3.0'],
    conflicts: 0,
  })
  t.match(restoreLine(nowHighest, [two, one], [two]).conflicts, [{ names: [one, two].map(releaseName) }])
})

test('a revert removes what the revision added and keeps later releases', async (t) => {
  t.strictSame(
    told(
      revertLine(always('highest'), { before: [two], after: [two, one], now: [two, one, three], since: 3 }),
    ),
    { joining: [], leaving: ['1.0'], conflicts: 0 },
  )
  t.strictSame(
    told(revertLine(always('promoted'), { before: [one], after: [one, two], now: [one, two], since: 2 })),
    { joining: [], leaving: ['2.0'], conflicts: 0 },
  )
})

test('a revert returns what the revision removed and restores latest', async (t) => {
  t.strictSame(
    told(revertLine(always('promoted'), { before: [one, two], after: [one], now: [one], since: 2 })),
    { joining: ['2.0'], leaving: [], conflicts: 0 },
  )
  t.strictSame(
    told(revertLine(always('promoted'), { before: [one, two], after: [two], now: [two], since: 1 })),
    { joining: ['1.0', '2.0'], leaving: [], conflicts: 0 },
  )
})

test('a revert conflicts if latest has moved again, and names the new release and its revision', async (t) => {
  const { conflicts } = revertLine(always('promoted'), {
    before: [one],
    after: [one, two],
    now: [one, two, three],
    since: 7,
  })
  t.match(conflicts, [
    { detail: /acme\/app\/3.0\/20260101000000 since revision 7/, names: [one, two, three].map(releaseName) },
  ])
})

test('a revert to a release that no longer exists is a conflict', async (t) => {
  t.match(
    revertLine(always('promoted'), { before: [one], after: [one, two], now: [two], since: 2 }).conflicts,
    [{ names: [one, two].map(releaseName) }],
  )
  t.match(
    revertLine(always('promoted'), { before: [gone], after: [gone, two], now: [two], since: 2 }).conflicts,
    [{ names: [releaseName(gone)] }],
  )
})

test('a yanked answer returns under promoted, and is a conflict under highest', async (t) => {
  const yanked = { ...release('5.0'), yanked: 'it loses data' }
  t.strictSame(told(restoreLine(always('promoted'), [one, yanked], [one])), {
    joining: ['5.0'],
    leaving: [],
    conflicts: 0,
  })
  t.match(restoreLine(always('highest'), [one, yanked], [one]).conflicts, [
    { detail: /yanked/, names: [releaseName(yanked)] },
  ])
  const now = [one, { ...yanked, isSkipped: true }]
  t.match(revertLine(always('highest'), { before: [one, yanked], after: now, now, since: 2 }).conflicts, [
    { detail: /yanked/ },
  ])
})

test('a skipped member that answered before joins again', async (t) => {
  const skipped = { ...release('5.0'), isSkipped: true }
  const answered = { ...skipped, isSkipped: false }
  t.strictSame(told(restoreLine(always('promoted'), [one, answered], [one, skipped])), {
    joining: ['5.0'],
    leaving: [],
    conflicts: 0,
  })
})
