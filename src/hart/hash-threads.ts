import { extname } from 'node:path'
import { shuttingDown } from '../errors.ts'
import { ThreadPool } from '../threads/thread-pool.ts'
import type { PoolOptions } from '../threads/thread-pool.ts'
import type { HashResult, HashTask } from './hash-thread.ts'
import { Turns } from './turns.ts'

// The thread's file is next to this one, in the sources and in the build.
const THREAD = new URL(`./hash-thread${extname(import.meta.filename)}`, import.meta.url)
// The limits do not include buffers. Each hash makes little garbage; by default, V8 would let much of it pile
// up.
const HEAP_LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 2 }
/** The number of threads: each upload has two hashes, one of the file and one of its payload. */
const THREADS = 2
/** The bytes that one hash takes in a turn, which lasts some milliseconds. */
const TURN_BYTES = 4 * 1024 * 1024

/** A hash of a file that is still being written. */
export interface Hashing {
  /** Announces that the file has been written up to `upTo`. */
  advance(upTo: number): void
  /** Returns the BLAKE2b-256, in hex, of the bytes from the start of the hash up to `upTo`. */
  finish(upTo: number): Promise<string>
  /** Abandons the hash. Does nothing if the hash has ended. */
  forget(): void
}

/** A hash of bytes that the caller passes in chunks. */
export interface ChunkHashing {
  /**
   * Adds a chunk. Resolves once the chunk is hashed; rejects if hashing fails. Call it again only after it
   * has resolved. A chunk that fills its whole buffer is moved to the thread, and is empty afterwards.
   */
  take(chunk: Buffer): Promise<void>
  /** Returns the BLAKE2b-256 of all chunks in hex. */
  finish(): Promise<string>
  /** Abandons the hash. Does nothing if the hash has ended. */
  forget(): void
}

/** A hash in progress. Its turns are tasks of the pool, one after the other, in any thread. */
interface RunningHash {
  readonly accountId: number
  /** Takes the bytes of the next turn; `undefined` if there are none yet. */
  readonly takeTurn: () => Omit<HashTask, 'state'> | undefined
  readonly digest: PromiseWithResolvers<string>
  /** The state after the last turn. */
  state: Uint8Array | undefined
  /** Whether the hash has a turn, or waits for one. */
  isQueued: boolean
  /** Called after each turn. */
  onTurn: (() => void) | undefined
}

/**
 * Hashes large files in threads while they are written. Accounts take turns, so that the uploads of one
 * account do not delay those of another. Threads start when first needed. Idle threads do not keep the
 * process alive. The owner closes them.
 */
export class HashThreads {
  readonly #threads: ThreadPool<HashTask, HashResult>
  readonly #running = new Set<RunningHash>()
  /** The hashes that wait for a turn. */
  readonly #waiting = new Turns<RunningHash>()
  /** The number of turns that run now. */
  #turns = 0
  #isClosed = false

  /** `after` is a timer, for tests. */
  constructor({ after }: Pick<PoolOptions, 'after'> = {}) {
    this.#threads = new ThreadPool(THREAD, {
      maxThreads: THREADS,
      resourceLimits: HEAP_LIMITS,
      ...(after && { after }),
    })
  }

  /** The number of threads. */
  get size(): number {
    return this.#threads.size
  }

  /** The number of hashes in progress. */
  get count(): number {
    return this.#running.size
  }

  /**
   * Starts to hash a file from byte `from`, for an upload of an account. Throws `shutting_down` after {@link
   * close}.
   */
  begin(path: string, from: number, accountId: number): Hashing {
    let [start, written, isWhole] = [from, from, false]
    const hash = this.#begin(accountId, () => {
      if (start === written && !isWhole) return undefined
      const bytes = { path, start, end: Math.min(written, start + TURN_BYTES) }
      start = bytes.end
      return { bytes, isLast: isWhole && start === written }
    })
    return {
      advance: (upTo) => {
        written = upTo
        this.#queue(hash)
      },
      finish: (upTo) => {
        written = upTo
        isWhole = true
        this.#queue(hash)
        return hash.digest.promise
      },
      forget: () => void this.#running.delete(hash),
    }
  }

  /** Starts to hash bytes that the caller passes in chunks. Throws `shutting_down` after {@link close}. */
  beginChunks(accountId: number): ChunkHashing {
    let next: Omit<HashTask, 'state'> | undefined
    const hash = this.#begin(accountId, () => {
      const turn = next
      next = undefined
      return turn
    })
    return {
      take: async (chunk) => {
        const taken = new Promise<void>((done) => void (hash.onTurn = done))
        next = { bytes: chunk, isLast: false }
        this.#queue(hash)
        await Promise.race([taken, hash.digest.promise])
      },
      finish: () => {
        next = { bytes: Buffer.alloc(0), isLast: true }
        this.#queue(hash)
        return hash.digest.promise
      },
      forget: () => void this.#running.delete(hash),
    }
  }

  /** Rejects unfinished hashes with `shutting_down`. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const { digest } of this.#running) digest.reject(shuttingDown())
    this.#running.clear()
    await this.#threads.close() // turns are short, and terminating a thread while it starts has crashed V8: `Check failed: !is_null()`
  }

  #begin(accountId: number, takeTurn: RunningHash['takeTurn']): RunningHash {
    if (this.#isClosed) throw shuttingDown()
    const digest = Promise.withResolvers<string>()
    digest.promise.catch(() => undefined) // `finish` reports the error
    const hash = { accountId, takeTurn, digest, state: undefined, isQueued: false, onTurn: undefined }
    this.#running.add(hash)
    return hash
  }

  #queue(hash: RunningHash): void {
    if (hash.isQueued || !this.#running.has(hash)) return
    hash.isQueued = true
    this.#waiting.push(hash.accountId, hash)
    this.#dispatch()
  }

  #dispatch(): void {
    while (this.#turns < THREADS) {
      const hash = this.#waiting.shift()
      if (hash === undefined) return
      const turn = this.#running.has(hash) ? hash.takeTurn() : undefined // it may be forgotten by now
      if (turn === undefined) hash.isQueued = false
      else void this.#run(hash, turn)
    }
  }

  async #run(hash: RunningHash, turn: Omit<HashTask, 'state'>): Promise<void> {
    this.#turns += 1
    try {
      const result = await this.#threads.run({ ...turn, state: hash.state }, { moved: ownBuffer(turn.bytes) })
      if ('digest' in result) {
        this.#running.delete(hash)
        hash.digest.resolve(result.digest)
      } else {
        hash.state = result.state
        hash.onTurn?.()
      }
    } catch (error) {
      this.#running.delete(hash)
      hash.digest.reject(error)
    }
    this.#turns -= 1
    hash.isQueued = false
    this.#queue(hash)
    this.#dispatch()
  }
}

/**
 * Returns the buffer of a chunk that fills all of it. This buffer is moved to the thread instead of copied.
 */
function ownBuffer(bytes: HashTask['bytes']): ArrayBuffer[] {
  return bytes instanceof Uint8Array &&
    bytes.buffer instanceof ArrayBuffer &&
    bytes.buffer.byteLength === bytes.length
    ? [bytes.buffer]
    : []
}
