import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { DepotError } from '../errors.ts'
import { unpackError } from '../thread-error.ts'
import type { Command, CommandKind, Outcome } from './commands.ts'
import type { CommitListener, DepotWriter } from './writer.ts'
import type { Sent, Told } from './writer-thread.ts'

// Beside this file, whether that is the source or what was built from it.
const THREAD = new URL(`./writer-thread${extname(import.meta.filename)}`, import.meta.url)

interface Waiting {
  resolve(outcome: unknown): void
  reject(error: unknown): void
}

/**
 * A {@link Writer} in a thread of its own, with its own connection: no change, however large, and no wait for the disk is in the way of
 * who reads. Should the thread die, what it committed last may not have been heard of here; so the process dies with it.
 */
export class ThreadedWriter implements DepotWriter {
  readonly #thread: Worker
  readonly #now: () => number
  readonly #listeners: CommitListener[] = []
  readonly #waiting = new Map<number, Waiting>()
  #count = 0
  #isClosed = false

  /** Of a database that is migrated. */
  constructor(file: string, now: () => number) {
    this.#now = now
    this.#thread = new Worker(THREAD, { workerData: { file, at: now() }, execArgv: [] }) // what its parent preloads is no concern of it
    this.#thread.on('message', (told: Told) => this.#hear(told))
    this.#thread.on('exit', (code) => {
      if (!this.#isClosed || this.#waiting.size > 0) throw new Error(`the thread that writes ended with ${code}`)
    })
  }

  onCommit(listener: CommitListener): void {
    this.#listeners.push(listener)
  }

  submit<K extends CommandKind>(command: Command<K>): Promise<Outcome<K>> {
    if (this.#isClosed) return Promise.reject(new DepotError('shutting_down', 'the depot is shutting down'))
    const { promise, resolve, reject } = Promise.withResolvers<Outcome<K>>()
    this.#waiting.set(this.#count, { resolve: (outcome) => resolve(outcome as Outcome<K>), reject })
    post(this.#thread, { id: this.#count, command, at: this.#now() })
    this.#count += 1
    return promise
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const gone = once(this.#thread, 'exit')
    post(this.#thread, 'close')
    await gone
  }

  #hear(told: Told): void {
    if (told.kind === 'committed') {
      for (const listener of this.#listeners) listener(told.entries, told.commit)
      return
    }
    const waiting = this.#waiting.get(told.id)
    this.#waiting.delete(told.id)
    if (told.kind === 'done') waiting?.resolve(told.outcome)
    else waiting?.reject(unpackError(told.error))
  }
}

function post(thread: Worker, message: Sent | 'close'): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
  thread.postMessage(message)
}
