import { extname } from 'node:path'
import { DepotError, shuttingDown } from '../errors.ts'
import type * as archive from './archive.ts'
import type { HartMetadata } from './metadata.ts'
import { ThreadPool } from '../threads/thread-pool.ts'
import type { ScanTask } from './scan-worker.ts'
import { Turns } from './turns.ts'

export interface ArchiveScannerOptions {
  /**
   * The number of scans that run at the same time. Each needs a thread and the memory that {@link
   * readArchive} needs; further scans wait. One more thread is kept for accounts without a running scan.
   */
  readonly workers?: number
  /** The maximum number of scans that wait for a thread, of all accounts together. */
  readonly maxWaiting?: number
  /** The maximum number of scans of one account that wait for a thread. */
  readonly maxWaitingPerAccount?: number
  /** The milliseconds that one scan may take, without the time it waits for a thread. */
  readonly timeoutMs?: number
}

/**
 * The time limit of a scan. It is long enough to read 20 GB of programs at 35 MB/s. Most scans end much
 * earlier, after the last metafile.
 */
const MAX_SCAN_MS = 10 * 60 * 1000
const WORKERS = 2
/** A limit is needed because each waiting scan keeps a file in the spool. */
const MAX_WAITING_SCANS = 512
/** No site uploads this many packages at once. The rest of the queue stays free for other accounts. */
const MAX_WAITING_SCANS_PER_ACCOUNT = 64
const RETRY_AFTER_SECONDS = 10
// The limits do not include buffers, so they are far more than a scan needs. As measured, a thread that scans
// packages of `hab` takes 50 MB of memory, most of it for the thread itself. One that scans packages made
// with `xz -9` takes 115 MB.
const HEAP_LIMITS = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 4 }
// The thread's file is next to this one, in the sources and in the build.
const THREAD = new URL(`./scan-worker${extname(import.meta.filename)}`, import.meta.url)

/**
 * Reads the metadata of archives in threads. An idle scanner does not keep the process alive, but the owner
 * closes it anyway.
 */
export class ArchiveScanner {
  readonly #workers: number
  readonly #timeoutMs: number
  readonly #threads: ThreadPool<ScanTask, HartMetadata>
  readonly #running = new Set<Scan>()
  readonly #waiting = new Turns<Scan>()
  readonly #maxWaiting: number
  readonly #maxWaitingPerAccount: number
  #archive: Promise<typeof archive> | undefined
  #closed = false

  constructor(options: ArchiveScannerOptions = {}) {
    this.#workers = options.workers ?? WORKERS
    this.#threads = new ThreadPool(THREAD, { maxThreads: this.#workers + 1, resourceLimits: HEAP_LIMITS })
    this.#timeoutMs = options.timeoutMs ?? MAX_SCAN_MS
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING_SCANS
    this.#maxWaitingPerAccount = options.maxWaitingPerAccount ?? MAX_WAITING_SCANS_PER_ACCOUNT
  }

  /**
   * Reads the metadata of the package whose payload starts at `payloadOffset` of the file. Accounts take
   * turns. Rejects with `hart_malformed`, also if the scan takes too long, or `target_malformed`, with
   * `overloaded` like {@link expectRoom}, and with `shutting_down` once the scanner is closed.
   */
  async scan(path: string, payloadOffset: number, accountId: number): Promise<HartMetadata> {
    this.expectRoom(accountId)
    const { promise, resolve, reject } = Promise.withResolvers<HartMetadata>()
    this.#waiting.push(accountId, { path, payloadOffset, accountId, resolve, reject })
    this.#dispatch()
    return promise
  }

  /**
   * Returns the metadata of a package whose whole payload is in memory, if reading it in this thread takes
   * less than a millisecond; otherwise `undefined`. Rejects with `hart_malformed` or `target_malformed`.
   */
  async scanShort(payload: Buffer): Promise<HartMetadata | undefined> {
    this.#archive ??= import('./archive.ts') // many threads never need it
    const { readShortArchive } = await this.#archive
    return readShortArchive(payload)
  }

  /** Throws `overloaded` if too many scans wait, of this account or of all accounts. */
  expectRoom(accountId: number): void {
    const ofAccount = this.#waiting.lengthOf(accountId)
    const reason =
      ofAccount >= this.#maxWaitingPerAccount
        ? `${ofAccount} packages of this account wait to be checked`
        : this.#waiting.length >= this.#maxWaiting
          ? `${this.#waiting.length} packages wait to be checked`
          : undefined
    if (reason !== undefined)
      throw new DepotError('overloaded', `${reason}: try again in ${RETRY_AFTER_SECONDS} seconds`, {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      })
  }

  /** Ends every thread, and rejects unfinished scans with `shutting_down`. */
  async close(): Promise<void> {
    this.#closed = true
    this.#dispatch()
    await this.#threads.terminate()
  }

  #dispatch(): void {
    while (this.#closed || this.#running.size <= this.#workers) {
      const onlySpareIsFree = this.#running.size === this.#workers && !this.#closed
      const scan = this.#waiting.shift((accountId) => !onlySpareIsFree || !this.#isRunning(accountId))
      if (scan === undefined) return
      if (this.#closed) scan.reject(shuttingDown())
      else void this.#run(scan)
    }
  }

  #isRunning(accountId: number): boolean {
    return [...this.#running].some((scan) => scan.accountId === accountId)
  }

  async #run(scan: Scan): Promise<void> {
    const { path, payloadOffset } = scan
    const stopping = new AbortController()
    const timer = setTimeout(() => {
      const seconds = Math.round(this.#timeoutMs / 1000)
      stopping.abort(new DepotError('hart_malformed', `reading the archive took longer than ${seconds} s`))
    }, this.#timeoutMs)
    this.#running.add(scan)
    try {
      scan.resolve(await this.#threads.run({ path, payloadOffset }, { signal: stopping.signal }))
    } catch (error) {
      scan.reject(error)
    } finally {
      clearTimeout(timer)
      this.#running.delete(scan)
      this.#dispatch()
    }
  }
}

/** A scan that waits or runs. */
interface Scan {
  readonly path: string
  readonly payloadOffset: number
  readonly accountId: number
  readonly resolve: (metadata: HartMetadata) => void
  readonly reject: (reason: unknown) => void
}
