import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { DepotError } from '../errors.ts'
import { IDLE_MS, unreferencedTimer } from '../threads/thread-pool.ts'
import { unpackError } from '../threads/thread-error.ts'
import type { HashAnswer, HashStep } from './hash-thread.ts'
import { Turns } from './turns.ts'

// The thread's file is next to this one, in the sources and in the build.
const THREAD = new URL(`./hash-thread${extname(import.meta.filename)}`, import.meta.url)
// Its buffers do not count here. Each hash makes little garbage, and V8 would let it pile up.
const HEAP_LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 2 }
/** Each upload makes two hashes of nearly the same bytes, one in each thread. */
const THREADS = 2
/** The bytes that one hash takes in a turn, which lasts some milliseconds. */
const TURN_BYTES = 4 * 1024 * 1024

/** A hash of a file that is still being written. */
export interface Hashing {
  /** Announces that the file has been written up to `upTo`. */
  advance(upTo: number): void
  /** Like `advance`, and resolves once the file is hashed up to `upTo`. */
  reach(upTo: number): Promise<void>
  /** Returns the BLAKE2b-256, in hex, of the bytes from the start of the hash up to `upTo`. */
  finish(upTo: number): Promise<string>
  /** Abandons the hash. Call it unless `finish` is called. */
  forget(): void
}

/** A hash of bytes that the caller passes in chunks. */
export interface ChunkHashing {
  /** Resolves once the chunk is hashed. A chunk that fills its whole buffer is moved to the thread, and is empty afterwards. */
  take(chunk: Buffer): Promise<void>
  /** Returns the BLAKE2b-256 of all chunks in hex. */
  finish(): Promise<string>
  /** Abandons the hash. Call it unless `finish` is called. */
  forget(): void
}

/** A hash in progress. */
interface RunningHash {
  readonly id: number
  /** The file, or `undefined` for chunks. */
  readonly path: string | undefined
  readonly from: number
  /** The next chunk. */
  chunk: Buffer | undefined
  readonly accountId: number
  readonly thread: Thread
  readonly resolve: (digest: string) => void
  readonly reject: (error: unknown) => void
  /** The position at which the next turn begins. */
  at: number
  upTo: number
  isLast: boolean
  /** Called once the hash has reached `upTo`. */
  onReached: (() => void) | undefined
  /** Whether the hash has a turn, or waits for one. */
  isQueued: boolean
}

interface Thread {
  readonly worker: Worker
  readonly queue: Turns<RunningHash>
  current: RunningHash | undefined
  /** Cancels the end of an idle thread. */
  cancelEnd: () => void
}

/**
 * Hashes large files in threads while they are written. Accounts take turns, so that the uploads of one account do not
 * delay those of another. Threads start when first needed. Idle threads do not keep the process alive. The owner closes
 * them.
 */
export class HashThreads {
  readonly #threads: Thread[] = []
  readonly #running = new Map<number, RunningHash>()
  readonly #after: typeof unreferencedTimer
  #count = 0
  #isClosed = false

  /** `after` is a timer, for tests. */
  constructor({ after = unreferencedTimer }: { after?: typeof unreferencedTimer } = {}) {
    this.#after = after
  }

  /** The number of threads. */
  get size(): number {
    return this.#threads.length
  }

  /** The number of hashes in progress. */
  get count(): number {
    return this.#running.size
  }

  /** Starts to hash a file from byte `from`, for an upload of an account. */
  begin(path: string, from: number, accountId: number): Hashing {
    const { hash, promise } = this.#begin({ path, from, accountId })
    return {
      advance: (upTo) => this.#advance(hash, upTo),
      reach: (upTo) => this.#reach(hash, upTo, promise),
      finish: (upTo) => this.#finish(hash, upTo, promise),
      forget: () => this.#forget(hash),
    }
  }

  /** Starts to hash bytes that the caller reads. */
  beginChunks(accountId: number): ChunkHashing {
    const { hash, promise } = this.#begin({ path: undefined, from: 0, accountId })
    return {
      take: (chunk) => {
        hash.chunk = chunk
        return this.#reach(hash, hash.upTo + chunk.length, promise)
      },
      finish: () => this.#finish(hash, hash.upTo, promise),
      forget: () => this.#forget(hash),
    }
  }

  /** Rejects unfinished hashes with `shutting_down`. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const id of this.#running.keys())
      this.#settle(id)?.reject(new DepotError('shutting_down', 'the depot is shutting down'))
    for (const { cancelEnd } of this.#threads) cancelEnd()
    await Promise.all(this.#threads.splice(0).map(({ worker }) => worker.terminate()))
  }

  #begin({ path, from, accountId }: Pick<RunningHash, 'path' | 'from' | 'accountId'>): {
    hash: RunningHash
    promise: Promise<string>
  } {
    if (this.#isClosed) throw new DepotError('shutting_down', 'the depot is shutting down')
    const id = this.#count
    this.#count += 1
    const thread = this.#threads[id % THREADS] ?? this.#start()
    thread.cancelEnd()
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    promise.catch(() => undefined) // `finish` reports the error
    const hash: RunningHash = {
      id,
      path,
      from,
      chunk: undefined,
      accountId,
      thread,
      resolve,
      reject,
      at: from,
      upTo: from,
      isLast: false,
      onReached: undefined,
      isQueued: false,
    }
    this.#running.set(id, hash)
    return { hash, promise }
  }

  #advance(hash: RunningHash, upTo: number): void {
    hash.upTo = upTo
    this.#queue(hash)
  }

  /** Rejects if the hash fails. */
  async #reach(hash: RunningHash, upTo: number, promise: Promise<string>): Promise<void> {
    hash.thread.worker.ref()
    const reached = new Promise<void>((done) => void (hash.onReached = done))
    this.#advance(hash, upTo)
    await Promise.race([reached, promise])
  }

  #finish(hash: RunningHash, upTo: number, promise: Promise<string>): Promise<string> {
    hash.thread.worker.ref()
    hash.isLast = true
    this.#advance(hash, upTo)
    return promise
  }

  #forget({ id, thread }: RunningHash): void {
    if (this.#settle(id) !== undefined) post(thread, { id, next: 'forget' })
  }

  #queue(hash: RunningHash): void {
    if (hash.isQueued || !this.#running.has(hash.id)) return
    hash.isQueued = true
    hash.thread.queue.push(hash.accountId, hash)
    this.#dispatch(hash.thread)
  }

  #dispatch(thread: Thread): void {
    while (thread.current === undefined) {
      const hash = thread.queue.shift()
      if (hash === undefined) return
      if (!this.#running.has(hash.id)) continue // forgotten while it waited
      const upTo = Math.min(hash.upTo, hash.at + TURN_BYTES)
      const next = hash.isLast && upTo === hash.upTo ? 'finish' : 'go on'
      hash.at = upTo
      thread.current = hash
      if (hash.path !== undefined) post(thread, { id: hash.id, path: hash.path, from: hash.from, upTo, next })
      else post(thread, { id: hash.id, chunk: hash.chunk ?? Buffer.alloc(0), next })
      hash.chunk = undefined
    }
  }

  #start(): Thread {
    const worker = new Worker(THREAD, { execArgv: [], resourceLimits: HEAP_LIMITS }) // without the parent's preloaded modules
    const thread: Thread = { worker, queue: new Turns(), current: undefined, cancelEnd: () => undefined }
    worker.unref()
    worker.on('message', (answer: HashAnswer) => {
      const hash = thread.current
      thread.current = undefined
      if ('error' in answer) this.#settle(answer.id)?.reject(unpackError(answer.error))
      else if (answer.digest !== undefined) this.#settle(answer.id)?.resolve(answer.digest)
      else if (hash !== undefined) {
        hash.isQueued = false
        if (hash.isLast || hash.at < hash.upTo) this.#queue(hash)
        else hash.onReached?.()
      }
      this.#dispatch(thread)
    })
    // The hashes of a thread that dies fail. The next upload starts another thread.
    worker.on('error', (error) => {
      this.#remove(thread)
      for (const hash of this.#running.values())
        if (hash.thread === thread) this.#settle(hash.id)?.reject(error)
    })
    this.#threads.push(thread)
    return thread
  }

  #settle(id: number): RunningHash | undefined {
    const hash = this.#running.get(id)
    this.#running.delete(id)
    if (hash !== undefined && ![...this.#running.values()].some(({ thread }) => thread === hash.thread))
      this.#rest(hash.thread)
    return hash
  }

  /** Keeps a thread for the next hash, and ends it if none comes for a while. */
  #rest(thread: Thread): void {
    thread.worker.unref()
    thread.cancelEnd = this.#after(IDLE_MS, () => {
      this.#remove(thread)
      void thread.worker.terminate()
    })
  }

  #remove(thread: Thread): void {
    const at = this.#threads.indexOf(thread)
    if (at !== -1) this.#threads.splice(at, 1)
  }
}

function post({ worker }: Thread, step: HashStep): void {
  const buffer = 'chunk' in step ? step.chunk.buffer : undefined
  const isOwn = buffer instanceof ArrayBuffer && 'chunk' in step && buffer.byteLength === step.chunk.length
  worker.postMessage(step, isOwn ? [buffer] : [])
}
