import { test } from 'tap'
import { formatIdent, parseIdent } from '../../src/package/ident.ts'
import { orderKey } from '../../src/package/version.ts'
import { restoreLine, revertLine } from '../../src/views/restore.ts'
import type { PastRelease, Restored } from '../../src/views/restore.ts'

let lastId = 0

function release(version: string, isDeleted = false): PastRelease {
  const ident = parseIdent(`acme/app/${version}/20260101000000`)
  lastId += 1
  return { releaseId: lastId, packageId: 1, originId: 1, ident, target: 'x86_64-linux', orderKey: orderKey(ident), isDeleted }
}

const [one, two, three, gone] = [release('1.0'), release('2.0'), release('3.0'), release('4.0', true)]
const told = ({ wanted, conflicts }: Restored) => ({
  joining: wanted.joining.map((joining) => joining.release.ident.version),
  leaving: wanted.leaving.map(({ ident }) => ident.version),
  conflicts: conflicts.length,
})

test('what was the same stays as it is', async (t) => {
  for (const rule of ['promoted', 'highest'] as const) t.strictSame(told(restoreLine(rule, [one, two], [one, two])), { joining: [], leaving: [], conflicts: 0 })
})

test('what came since leaves, and what left comes back', async (t) => {
  t.strictSame(told(restoreLine('promoted', [one, two], [one, three])), { joining: ['2.0'], leaving: ['3.0'], conflicts: 0 })
  t.strictSame(told(restoreLine('highest', [one, two], [one, three])), { joining: ['2.0'], leaving: ['3.0'], conflicts: 0 })
})

test('under promoted the old order comes back, from where it differs; under highest order decides nothing', async (t) => {
  t.strictSame(told(restoreLine('promoted', [one, three, two], [one, two, three])), { joining: ['3.0', '2.0'], leaving: [], conflicts: 0 })
  t.strictSame(told(restoreLine('promoted', [one, two], [two, one])), { joining: ['1.0', '2.0'], leaving: [], conflicts: 0 })
  t.strictSame(told(restoreLine('highest', [one, two], [two, one])), { joining: [], leaving: [], conflicts: 0 })
})

test('what was deleted stays away, which is a conflict where it was latest', async (t) => {
  t.strictSame(told(restoreLine('promoted', [gone, one], [two])), { joining: ['1.0'], leaving: ['2.0'], conflicts: 0 })
  t.strictSame(told(restoreLine('promoted', [one, gone], [two])), { joining: ['1.0'], leaving: ['2.0'], conflicts: 1 })
  t.match(restoreLine('highest', [gone, one], [one]).conflicts, [{ detail: `${formatIdent(gone.ident)} (x86_64-linux) was deleted, and was what latest answered` }])
})

test('a revert takes out what the revision let in, and leaves what came later', async (t) => {
  t.strictSame(told(revertLine('highest', { before: [two], after: [two, one], now: [two, one, three], since: 3 })), { joining: [], leaving: ['1.0'], conflicts: 0 })
  t.strictSame(told(revertLine('promoted', { before: [one], after: [one, two], now: [one, two], since: 2 })), { joining: [], leaving: ['2.0'], conflicts: 0 })
})

test('a revert brings back what the revision took out, and latest is what it was', async (t) => {
  t.strictSame(told(revertLine('promoted', { before: [one, two], after: [one], now: [one], since: 2 })), { joining: ['2.0'], leaving: [], conflicts: 0 })
  t.strictSame(told(revertLine('promoted', { before: [one, two], after: [two], now: [two], since: 1 })), { joining: ['1.0', '2.0'], leaving: [], conflicts: 0 })
})

test('a revert of what latest has moved on from is a conflict that says to what, and since when', async (t) => {
  const { conflicts } = revertLine('promoted', { before: [one], after: [one, two], now: [one, two, three], since: 7 })
  t.match(conflicts, [{ detail: /^latest of acme\/app for x86_64-linux has moved on: it is acme\/app\/3.0\/20260101000000 since revision 7$/ }])
})

test('a revert to what is not there any more is a conflict', async (t) => {
  t.match(revertLine('promoted', { before: [one], after: [one, two], now: [two], since: 2 }).conflicts, [{ detail: /cannot go back to acme\/app\/1.0\S*: without this revision it is nothing$/ }])
  t.match(revertLine('promoted', { before: [gone], after: [gone, two], now: [two], since: 2 }).conflicts, [{ detail: /was deleted/ }])
})
