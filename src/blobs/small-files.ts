import { rm } from 'node:fs/promises'
import { extname } from 'node:path'
import { unpackError } from '../threads/thread-error.ts'
import type { PackedError } from '../threads/thread-error.ts'
import { ThreadPool } from '../threads/thread-pool.ts'
import type { SmallFilesTask } from './small-files-thread.ts'

/** A file whose bytes are in memory. */
export interface SmallFile {
  /** Where the bytes are written before the file gets its name. Nothing is there yet. */
  readonly spoolPath: string
  /** The place of the file. The last folder of the path may be missing, and the one above it exists. */
  readonly path: string
  readonly bytes: Uint8Array
}

/** A file that waits for the next batch. */
interface Waiting {
  readonly file: SmallFile
  readonly placed: PromiseWithResolvers<void>
}

/**
 * The maximum number of files in a batch. In a larger batch, each file would wait too long for the others.
 */
const MAX_FILES = 64
/** One thread writes while the other waits for the disk. */
const THREADS = 2
// The thread's file is next to this one, in the sources and in the build.
const THREAD = new URL(`./small-files-thread${extname(import.meta.filename)}`, import.meta.url)
const HEAP_LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 }

/**
 * Makes small files durable in threads of its own. Files that come while both are busy form the next batch,
 * so that one sync of a folder serves all of them, and a thread wakes once. The threads start when files
 * come, and end after a minute without files. The owner calls `close`.
 */
export class SmallFiles {
  readonly #threads = new ThreadPool<SmallFilesTask, (PackedError | undefined)[]>(THREAD, {
    maxThreads: THREADS,
    resourceLimits: HEAP_LIMITS,
  })
  readonly #waiting: Waiting[] = []
  /** The number of threads that are busy, or are about to be. */
  #busy = 0

  /**
   * Resolves when the file is in its place and outlives a crash. Otherwise rejects with the system's error.
   * The file may then be in its place, but only as a whole, and never at its spool path.
   */
  place(file: SmallFile): Promise<void> {
    const placed = Promise.withResolvers<void>()
    this.#waiting.push({ file, placed })
    if (this.#busy < THREADS) {
      this.#busy += 1
      setImmediate(() => void this.#run()) // so that the files of this turn of the event loop form a batch
    }
    return placed.promise
  }

  /** Waits for the files that are being placed, and ends the threads. */
  close(): Promise<void> {
    return this.#threads.close()
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_FILES)
      try {
        const faults = await this.#threads.run(taskOf(batch.map(({ file }) => file)))
        for (const [index, { placed }] of batch.entries()) {
          const fault = faults[index]
          if (fault === undefined) placed.resolve()
          else placed.reject(unpackError(fault))
        }
      } catch (error) {
        // The thread died, or the store is closed.
        for (const { file, placed } of batch) {
          await rm(file.spoolPath, { force: true }).catch(() => undefined)
          placed.reject(error)
        }
      }
    }
    this.#busy -= 1
  }
}

/** Puts all bytes into one buffer. A message with one buffer for each file would take much longer. */
function taskOf(files: readonly SmallFile[]): SmallFilesTask {
  const bytes = new Uint8Array(files.reduce((sum, file) => sum + file.bytes.length, 0))
  let end = 0
  const placed = files.map((file) => {
    bytes.set(file.bytes, end)
    end += file.bytes.length
    return { spoolPath: file.spoolPath, path: file.path, end }
  })
  return { files: placed, bytes }
}
