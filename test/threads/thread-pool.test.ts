import { extname } from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { IDLE_MS, ThreadPool } from '../../src/threads/thread-pool.ts'
import { ManualTimers } from '../support/webhooks/manual-timers.ts'
import type { Task } from '../support/pool-tasks.ts'

const ENTRY = new URL(`../support/pool-tasks${extname(import.meta.filename)}`, import.meta.url)

function openPool(t: Test, options: { maxThreads: number }) {
  const timers = new ManualTimers()
  const pool = new ThreadPool<Task, number>(ENTRY, { ...options, after: timers.after })
  t.teardown(() => pool.terminate())
  return { pool, timers }
}

const meeting = () => ({ meet: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT) })

test('threads start when they are needed, and end after a minute without tasks', async (t) => {
  const { pool, timers } = openPool(t, { maxThreads: 2 })
  t.equal(pool.size, 0)
  const together = meeting()
  const threads = await Promise.all([pool.run(together), pool.run(together)])
  t.not(threads[0], threads[1])
  t.equal(pool.size, 2)
  timers.advance(IDLE_MS - 1)
  const used = await pool.run('say')
  t.ok(threads.includes(used))
  timers.advance(1)
  t.equal(pool.size, 1, 'the other one was idle for a minute')
  t.equal(await pool.run('say'), used)
  timers.advance(IDLE_MS)
  t.equal(pool.size, 0)
  t.notOk(threads.includes(await pool.run('say')), 'a new one starts')
})

test('no more threads run than there may be, and tasks wait in their order', async (t) => {
  const { pool } = openPool(t, { maxThreads: 1 })
  const order: number[] = []
  await Promise.all([1, 2, 3].map((n) => pool.run('say').then(() => order.push(n))))
  t.strictSame(order, [1, 2, 3])
  t.equal(pool.size, 1)
})

test('a task that fails keeps its code, and its thread runs the next one', async (t) => {
  const { pool } = openPool(t, { maxThreads: 1 })
  const before = await pool.run('say')
  await t.rejects(pool.run('refuse'), { name: 'DepotError', code: 'not_found' })
  t.equal(await pool.run('say'), before)
})

test('a thread that dies fails its task alone, and another one takes its place', async (t) => {
  const { pool } = openPool(t, { maxThreads: 1 })
  const [died, next] = await Promise.allSettled([pool.run('die'), pool.run('say')])
  t.match(died, { status: 'rejected', reason: { message: 'a thread ended during its task' } })
  t.match(next, { status: 'fulfilled' })
})

test('a thread that fails while the pool closes fails its task, not the closing', async (t) => {
  const { pool } = openPool(t, { maxThreads: 1 })
  const running = pool.run('fail outside')
  const closing = pool.close()
  await t.rejects(running, { message: 'outside of the task' })
  await t.resolves(closing)
})

test('an aborted task rejects with the reason, and its thread is replaced', async (t) => {
  const { pool } = openPool(t, { maxThreads: 1 })
  const stopping = new AbortController()
  const endless = pool.run('go on', { signal: stopping.signal })
  const next = pool.run('say')
  stopping.abort(new Error('too long'))
  await t.rejects(endless, { message: 'too long' })
  t.type(await next, 'number')
})

test('closing lets running tasks finish, terminating does not, and both refuse further ones', async (t) => {
  const { pool } = openPool(t, { maxThreads: 1 })
  const [running, waiting] = [pool.run('say'), pool.run('say')]
  const refused = t.rejects(waiting, { code: 'shutting_down' })
  await pool.close()
  t.type(await running, 'number')
  await refused
  await t.rejects(pool.run('say'), { code: 'shutting_down' })
  const other = openPool(t, { maxThreads: 1 }).pool
  const endless = t.rejects(other.run('go on'), { code: 'shutting_down' })
  await other.terminate()
  await endless
})
