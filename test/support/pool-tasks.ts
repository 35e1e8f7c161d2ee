import { threadId } from 'node:worker_threads'
import { DepotError } from '../../src/errors.ts'
import { answerTasks } from '../../src/threads/pool-thread.ts'

// The entry file of a pool's threads, for test/threads/thread-pool.test.ts.

export type Task = 'say' | 'refuse' | 'die' | 'fail outside' | 'go on' | { readonly meet: SharedArrayBuffer }

answerTasks(async (task: Task): Promise<number> => {
  if (task === 'refuse') throw new DepotError('not_found', 'there is none')
  if (task === 'die') process.exit(3)
  if (task === 'fail outside') {
    setImmediate(() => {
      throw new Error('outside of the task')
    })
    return new Promise(() => undefined)
  }
  if (task === 'go on') for (;;);
  if (task !== 'say') {
    // Ends once two tasks run at the same time.
    const count = new Int32Array(task.meet)
    Atomics.add(count, 0, 1)
    Atomics.notify(count, 0)
    while (Atomics.load(count, 0) < 2) Atomics.wait(count, 0, 1)
  }
  return threadId
})
