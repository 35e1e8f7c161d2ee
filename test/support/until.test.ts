import { test } from 'tap'
import { until } from './until.ts'

test('until rejects with what it waited for, and not before its limit', async (t) => {
  await t.rejects(
    until('the sun is cold', () => false, 1),
    { message: 'waited 0.001 s in vain until the sun is cold' },
  )
  let count = 0
  await until('there were 50 turns', () => (count += 1) > 50, 0)
  t.equal(count, 51)
})
