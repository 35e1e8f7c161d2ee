import { test } from 'tap'
import { Lease, monotonic, newLease } from '../../src/cluster/lease.ts'
import { Presence } from '../../src/cluster/presence.ts'
import { turns } from '../support/until.ts'

const TIMES = { leaseMs: 2_000, marginMs: 250 }

/** A presence that was opened long ago, and shorter words for it. */
function present() {
  const presence = new Presence('own', TIMES, -10_000)
  const settled: number[] = []
  return {
    settled,
    presence,
    wait: (sequence: number, at: number) =>
      void presence.applied(sequence, at).then(() => settled.push(sequence)),
    read: (begun: number, rows: readonly (readonly [id: string, renewal: number, applied: number])[]) =>
      presence
        .observe(
          rows.map(([id, renewal, applied]) => ({ id, name: id, renewal, applied })),
          { begun, ended: begun + 1 },
        )
        .map(({ id }) => id),
  }
}

test('a sequence is applied once all nodes say so', async (t) => {
  const { settled, presence, wait, read } = present()
  wait(7, 100)
  read(99, [])
  await turns(1)
  t.strictSame(settled, [], 'a read that began before the commit may have missed a node')
  read(100, [
    ['own', 1, 0],
    ['b', 1, 6],
    ['c', 1, 3],
  ])
  presence.confirm('b', 7)
  presence.confirm('c', 6)
  await turns(1)
  t.strictSame(settled, [])
  t.strictSame(
    presence.laggards().map(({ id }) => id),
    ['c'],
  )
  read(200, [
    ['b', 1, 6],
    ['c', 2, 9],
    ['d', 1, 0],
  ])
  await turns(1)
  t.strictSame(settled, [7], 'd came after the commit, and has read it')
  wait(6, 300)
  await turns(1)
  t.strictSame(settled, [7, 6], 'what was known before is still known')
})

test('a node is not waited for once its renewal was the same for longer than a lease', async (t) => {
  const { settled, presence, wait, read } = present()
  t.strictSame(read(0, [['b', 1, 0]]), [])
  wait(1, 10)
  read(20, [['b', 1, 0]])
  t.equal(presence.nextRead(), 2_251, 'counted from the end of the first read that found the renewal')
  t.strictSame(read(2_250, [['b', 1, 0]]), [])
  await turns(1)
  t.strictSame(settled, [])
  t.strictSame(read(2_251, [['b', 1, 0]]), ['b'])
  await turns(1)
  t.strictSame(settled, [1])
  t.equal(presence.nextRead(), undefined)
  wait(2, 3_000)
  read(3_001, [['b', 2, 0]])
  await turns(1)
  t.strictSame(settled, [1], 'it has come back')
  t.strictSame(read(5_000, [['b', 1, 0]]), [], 'a renewal that a crash of the server took back begins anew')
  t.strictSame(read(7_000, [['b', 1, 0]]), [])
  t.strictSame(read(7_300, [['b', 1, 0]]), ['b'])
})

test('a node that left is not waited for', async (t) => {
  const { settled, wait, read } = present()
  wait(1, 10)
  read(20, [['b', 1, 0]])
  read(30, [])
  await turns(1)
  t.strictSame(settled, [1])
})

test('the absence of nodes counts only after each lease has ended that a lost server may have given', async (t) => {
  const { settled, presence, wait, read } = present()
  presence.distrust(100)
  wait(1, 110)
  read(120, [])
  await turns(1)
  t.strictSame(settled, [])
  t.equal(presence.nextRead(), 2_350)
  read(2_350, [])
  await turns(1)
  t.strictSame(settled, [1])
})

test('a lease is held until its end, and never again without a renewal', async (t) => {
  const lease = new Lease(newLease())
  const now = monotonic()
  t.notOk(lease.isHeldAt(now + 16))
  lease.holdUntil(now + 2_000)
  t.ok(lease.isHeldAt(now + 1_900))
  t.notOk(lease.isHeldAt(now + 2_000))
  t.equal(lease.endedSince(now), 0)
  t.ok(lease.endedSince(now + 3_000) >= 1_000)
  t.notOk(lease.isHeldAt(now + 300 * 24 * 3_600_000), 'most of a year later')
  lease.end(now + 100)
  t.notOk(lease.isHeldAt(now + 200))
})
