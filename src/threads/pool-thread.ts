import { parentPort } from 'node:worker_threads'
import { packError } from './thread-error.ts'
import type { PackedError } from './thread-error.ts'

// The other side of thread-pool.ts: runs in each thread of a pool.

export type PoolMessage<Task> = { readonly kind: 'task'; readonly task: Task } | { readonly kind: 'close' }

export type PoolAnswer<Result> = { readonly result: Result } | { readonly error: PackedError }

/**
 * Makes the calling thread run the tasks of its pool with `act`, one after the other. When the pool ends the
 * thread, `close` releases what `act` used.
 */
export function answerTasks(act: (task: never) => unknown, close: () => void = () => undefined): void {
  const answer = async (message: PoolMessage<unknown>): Promise<void> => {
    if (message.kind === 'close') {
      close()
      parentPort?.close()
      return
    }
    try {
      post({ result: await act(message.task as never) })
    } catch (error) {
      post({ error: packError(error) })
    }
  }
  let last = Promise.resolve()
  parentPort?.on('message', (message: PoolMessage<unknown>) => {
    last = last.then(() => answer(message))
  })
}

function post(answer: PoolAnswer<unknown>): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
  parentPort?.postMessage(answer)
}
