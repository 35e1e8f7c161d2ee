import { Socket } from 'node:net'
import { test } from 'tap'
import { PendingAnswers } from '../../../src/http/requests/pending-answers.ts'

test('slow clients are cut off to make room, and new ones are not', async (t) => {
  const [first, second, third] = [new Socket(), new Socket(), new Socket()]
  const patient = new PendingAnswers({ maxBytes: 100, slowAfterMs: 60_000 })
  patient.charge(first, 80)
  t.notOk(patient.makeRoom(21))
  t.ok(patient.makeRoom(20))
  t.notOk(first.destroyed)

  const hasty = new PendingAnswers({ maxBytes: 100, slowAfterMs: 0 })
  const settle = hasty.charge(second, 60)
  hasty.charge(third, 40)
  t.ok(hasty.makeRoom(30))
  t.strictSame([second.destroyed, third.destroyed, hasty.bytes], [true, false, 40], 'no more than needed')
  settle()
  t.equal(hasty.bytes, 40, 'an answer is settled once')
  t.notOk(hasty.makeRoom(101))
})
