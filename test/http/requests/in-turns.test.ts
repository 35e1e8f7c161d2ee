import { test } from 'tap'
import { inTurns } from '../../../src/http/requests/in-turns.ts'

test('each step runs in a turn of the event loop of its own, after the one before', async (t) => {
  let turn = 0
  let isOver = false
  const count = (): void => {
    turn += 1
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  const step = async () => turn
  const turns = await inTurns([step, step, step])
  isOver = true
  t.equal(new Set(turns).size, 3)
  t.strictSame(
    turns,
    turns.toSorted((a, b) => a - b),
  )
  const never = async () => t.fail('a step after an error')
  await t.rejects(inTurns([() => Promise.reject(new Error('no such module')), never]), {
    message: 'no such module',
  })
})
