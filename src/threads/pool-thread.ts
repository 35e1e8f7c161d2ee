import { parentPort } from 'node:worker_threads'
import { packError } from './thread-error.ts'
import type { PackedError } from './thread-error.ts'

// The threads that thread-pool.ts starts.

export type PoolMessage<Task> = { readonly kind: 'task'; readonly task: Task } | { readonly kind: 'close' }

export type PoolAnswer<Result> = { readonly result: Result } | { readonly error: PackedError }

/**
 * Runs the tasks of a pool in the calling thread, one after the other. Calls `close` before the thread ends
 * because the pool needs it no longer.
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
