import { Worker } from 'node:worker_threads'
import type { Transferable, WorkerOptions } from 'node:worker_threads'
import { shuttingDown } from '../errors.ts'
import { unpackError } from './thread-error.ts'
import type { PoolAnswer } from './pool-thread.ts'

export interface PoolOptions {
  /** The maximum number of threads. Further tasks wait in order. */
  readonly maxThreads: number
  readonly workerData?: unknown
  readonly resourceLimits?: WorkerOptions['resourceLimits']
  /** The timer, for tests: calls `act` after `ms` milliseconds. The returned function cancels the call. */
  readonly after?: (ms: number, act: () => void) => () => void
}

/** How long a thread may be idle before it ends. */
export const IDLE_MS = 60_000

/** A task that waits or runs. */
interface Job<Task, Result> {
  readonly task: Task
  /** Parts of the task that are moved to the thread. */
  readonly moved: readonly Transferable[]
  resolve(result: Result): void
  reject(error: unknown): void
}

/**
 * Threads that each run one task at a time. `entry` is a module that calls `answerTasks`. A thread starts
 * when a task finds all others busy, and ends after a minute without tasks. If a thread dies, only its task
 * fails. Idle threads do not keep the process alive. The owner closes the pool.
 */
export class ThreadPool<Task, Result> {
  readonly #entry: URL
  readonly #options: PoolOptions
  readonly #after: (ms: number, act: () => void) => () => void
  /** Idle threads, the one used last at the end. The functions cancel the timers that would end them. */
  readonly #idle = new Map<Worker, () => void>()
  readonly #busy = new Map<Worker, Job<Task, Result>>()
  readonly #waiting: Job<Task, Result>[] = []
  #isClosed = false

  constructor(entry: URL, options: PoolOptions) {
    this.#entry = entry
    this.#options = options
    this.#after = options.after ?? unreferencedTimer
  }

  /** The number of threads that exist now. */
  get size(): number {
    return this.#idle.size + this.#busy.size
  }

  /**
   * Runs a task. Rejects with the error of the task, with `shutting_down`, or with the reason why the thread
   * died. If `signal` aborts while the task runs, its thread ends and the task rejects with the reason of the
   * signal; a waiting task stays in the queue. The task is cloned, except for the parts in `moved`, which the
   * caller loses.
   */
  run(
    task: Task,
    { signal, moved = [] }: { signal?: AbortSignal; moved?: readonly Transferable[] } = {},
  ): Promise<Result> {
    if (this.#isClosed) return Promise.reject(shuttingDown())
    const { promise, resolve, reject } = Promise.withResolvers<Result>()
    const job: Job<Task, Result> = { task, moved, resolve, reject }
    this.#waiting.push(job)
    signal?.addEventListener('abort', () => {
      for (const [thread, other] of this.#busy)
        if (other === job) {
          this.#remove(thread, signal.reason)
          void thread.terminate()
        }
    })
    this.#dispatch()
    return promise
  }

  /** Rejects waiting tasks with `shutting_down`, and lets running tasks finish. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const waiting of this.#waiting.splice(0)) waiting.reject(shuttingDown())
    const threads = [...this.#idle.keys(), ...this.#busy.keys()]
    for (const cancel of this.#idle.values()) cancel()
    this.#idle.clear()
    await Promise.all(
      threads.map(async (thread) => {
        const gone = new Promise((resolve) => thread.once('exit', resolve)) // an error of the thread belongs to its task
        thread.ref() // keeps the process alive while we wait
        post(thread, { kind: 'close' })
        await gone
      }),
    )
  }

  /** Like {@link close}, but also rejects running tasks, and ends their threads. */
  async terminate(): Promise<void> {
    const threads = [...this.#busy.keys()]
    for (const thread of threads) this.#takeTask(thread)?.reject(shuttingDown())
    this.#isClosed = true
    await Promise.all([...threads.map((thread) => thread.terminate()), this.close()])
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const thread =
        this.#takeIdle() ?? (this.#busy.size < this.#options.maxThreads ? this.#start() : undefined)
      if (thread === undefined) return
      const job = this.#waiting.shift()
      if (job === undefined) return
      thread.ref()
      this.#busy.set(thread, job)
      post(thread, { kind: 'task', task: job.task }, job.moved)
    }
  }

  #takeIdle(): Worker | undefined {
    const [thread, cancel] = [...this.#idle].at(-1) ?? []
    if (thread === undefined) return undefined
    cancel?.()
    this.#idle.delete(thread)
    return thread
  }

  #start(): Worker {
    const { workerData, resourceLimits } = this.#options
    // Without `execArgv`, the thread would load the modules that the command line preloads (`--import`).
    const thread = new Worker(this.#entry, {
      workerData,
      execArgv: [],
      ...(resourceLimits && { resourceLimits }),
    })
    thread.on('message', (answer: PoolAnswer<Result>) => {
      const job = this.#takeTask(thread)
      if (job === undefined) return // the task was aborted, and its thread is ending
      if (!this.#isClosed) this.#makeIdle(thread)
      if ('error' in answer) job.reject(unpackError(answer.error))
      else job.resolve(answer.result)
      this.#dispatch()
    })
    thread.on('error', (error) => this.#remove(thread, error))
    thread.on('exit', () => this.#remove(thread, new Error('a thread ended during its task')))
    return thread
  }

  /** Keeps a thread for the next task, and ends it if no task comes for a while. */
  #makeIdle(thread: Worker): void {
    thread.unref()
    const end = () => {
      this.#idle.delete(thread)
      post(thread, { kind: 'close' })
    }
    this.#idle.set(thread, this.#after(IDLE_MS, end))
  }

  #remove(thread: Worker, reason: unknown): void {
    this.#idle.get(thread)?.()
    this.#idle.delete(thread)
    this.#takeTask(thread)?.reject(reason)
    this.#dispatch()
  }

  #takeTask(thread: Worker): Job<Task, Result> | undefined {
    const job = this.#busy.get(thread)
    this.#busy.delete(thread)
    return job
  }
}

/** Calls `act` later, unless the process ends before. The returned function cancels the call. */
export function unreferencedTimer(ms: number, act: () => void): () => void {
  const timer = setTimeout(act, ms).unref()
  return () => clearTimeout(timer)
}

function post(thread: Worker, message: unknown, moved: readonly Transferable[] = []): void {
  thread.postMessage(message, moved)
}
