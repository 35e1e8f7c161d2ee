import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { DepotError } from '../errors.ts'
import { unpackError } from '../thread-error.ts'
import type { HashAnswer, HashStep } from './hash-thread.ts'

// Beside this file, whether that is the source or what was built from it.
const THREAD = new URL(`./hash-thread${extname(import.meta.filename)}`, import.meta.url)
/** An upload takes two hashes of nearly the same bytes. */
const THREADS = 2

/** A hash of a file that is still being written. */
export interface Hashing {
  /** So much of it is there. */
  advance(upTo: number): void
  /** BLAKE2b-256 in hex, of everything from where it began up to here. */
  finish(upTo: number): Promise<string>
  /** For whoever does not come to the end. */
  forget(): void
}

/**
 * Hashes large files while they are written, off the event loop, which answers polls. The threads are started when they are needed first,
 * and kept; idle, they do not keep the process alive. Close them anyway.
 */
export class HashThreads {
  readonly #threads: Worker[] = []
  readonly #waiting = new Map<number, { resolve(digest: string): void; reject(error: unknown): void }>()
  readonly #thread = new Map<number, Worker>()
  #count = 0
  #isClosed = false

  /** Hashes what follows byte `from`. */
  begin(path: string, from: number): Hashing {
    if (this.#isClosed) throw new DepotError('shutting_down', 'the depot is shutting down')
    const id = this.#count
    this.#count += 1
    const thread = this.#threads[id % THREADS] ?? this.#start()
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    promise.catch(() => undefined) // who finishes hears of it
    this.#waiting.set(id, { resolve, reject })
    this.#thread.set(id, thread)
    const step = (upTo: number, next: HashStep['next']) => {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
      if (this.#waiting.has(id)) thread.postMessage({ id, path, from, upTo, next } satisfies HashStep)
    }
    return {
      advance: (upTo) => step(upTo, 'go on'),
      finish: (upTo) => {
        thread.ref()
        step(upTo, 'finish')
        return promise
      },
      forget: () => {
        step(0, 'forget')
        this.#settle(id)
      },
    }
  }

  /** Rejects what was not finished with `shutting_down`. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const id of this.#waiting.keys()) this.#settle(id)?.reject(new DepotError('shutting_down', 'the depot is shutting down'))
    await Promise.all(this.#threads.splice(0).map((thread) => thread.terminate()))
  }

  #start(): Worker {
    const thread = new Worker(THREAD, { execArgv: [] }) // what its parent preloads is no concern of it
    thread.unref()
    thread.on('message', (answer: HashAnswer) => {
      const waiting = this.#settle(answer.id)
      if ('error' in answer) waiting?.reject(unpackError(answer.error))
      else waiting?.resolve(answer.digest)
    })
    // It takes its hashes with it; the next upload gets another.
    thread.on('error', (error) => {
      const at = this.#threads.indexOf(thread)
      if (at !== -1) this.#threads.splice(at, 1)
      for (const [id, its] of this.#thread) if (its === thread) this.#settle(id)?.reject(error)
    })
    this.#threads.push(thread)
    return thread
  }

  #settle(id: number): { resolve(digest: string): void; reject(error: unknown): void } | undefined {
    const waiting = this.#waiting.get(id)
    const thread = this.#thread.get(id)
    this.#waiting.delete(id)
    this.#thread.delete(id)
    if (thread !== undefined && ![...this.#thread.values()].includes(thread)) thread.unref()
    return waiting
  }
}
