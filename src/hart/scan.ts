import { extname } from 'node:path'
import { DepotError } from '../errors.ts'
import type * as archive from './archive.ts'
import type { HartMetadata } from './metadata.ts'
import { ThreadPool } from '../threads/thread-pool.ts'
import type { ScanQuestion } from './scan-worker.ts'
import { Turns } from './turns.ts'

export interface ArchiveScannerOptions {
  /**
   * Scans at the same time; each costs a thread, and memory as readArchive says. The others wait. One thread more is there for accounts of
   * which no scan runs.
   */
  readonly workers?: number
  /** Scans that wait for a thread, of all accounts. */
  readonly mostWaiting?: number
  readonly mostWaitingOfOne?: number
  /** Time that one scan may take, in milliseconds, not counting what it waited. */
  readonly timeoutMs?: number
}

/** At 35 MB/s, 20 GB of programs. Most packages stop long before, at the last of their metadata. */
const LONGEST_SCAN_MS = 10 * 60 * 1000
const WORKERS = 2
/** Each has a file in the spool. */
const MOST_WAITING = 512
/** More than a site uploads at once; less than what keeps an upload of another account out. */
const MOST_WAITING_OF_ONE = 64
const RETRY_AFTER_SECONDS = 10
// Far more than a scan needs: what it reads is in buffers, which do not count here. Measured, a thread that scans what `hab` packs
// adds 50 MB to the process, most of it for being a thread; one that scans what was packed with `xz -9`, 115.
const HEAP_LIMITS = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 4 }
// Beside this file, whether that is the source or what was built from it.
const THREAD = new URL(`./scan-worker${extname(import.meta.filename)}`, import.meta.url)

/**
 * Reads what archives say, off the event loop, in threads that are kept. An idle scanner does not keep the process alive; close it
 * anyway when it is not needed any more.
 */
export class ArchiveScanner {
  readonly #workers: number
  readonly #timeoutMs: number
  readonly #threads: ThreadPool<ScanQuestion, HartMetadata>
  readonly #running = new Set<Scan>()
  readonly #waiting = new Turns<Scan>()
  readonly #mostWaiting: number
  readonly #mostWaitingOfOne: number
  #archive: Promise<typeof archive> | undefined
  #closed = false

  constructor(options: ArchiveScannerOptions = {}) {
    this.#workers = options.workers ?? WORKERS
    this.#threads = new ThreadPool(THREAD, { most: this.#workers + 1, resourceLimits: HEAP_LIMITS })
    this.#timeoutMs = options.timeoutMs ?? LONGEST_SCAN_MS
    this.#mostWaiting = options.mostWaiting ?? MOST_WAITING
    this.#mostWaitingOfOne = options.mostWaitingOfOne ?? MOST_WAITING_OF_ONE
  }

  /**
   * The metadata of the package whose payload starts at `payloadOffset` of the file. Scans of several accounts take turns. Rejects with
   * `hart_malformed` or `target_malformed`, with `overloaded` as {@link expectRoom}, and with `shutting_down` when the scanner is closed.
   */
  async scan(path: string, payloadOffset: number, accountId: number): Promise<HartMetadata> {
    this.expectRoom(accountId)
    const { promise, resolve, reject } = Promise.withResolvers<HartMetadata>()
    this.#waiting.push(accountId, { path, payloadOffset, accountId, resolve, reject })
    this.#dispatch()
    return promise
  }

  /**
   * The metadata of a package whose whole payload is in memory, if reading it in this thread takes less than a millisecond; otherwise
   * `undefined`. Rejects with `hart_malformed` or `target_malformed`.
   */
  async scanShort(payload: Buffer): Promise<HartMetadata | undefined> {
    this.#archive ??= import('./archive.ts') // many threads never need it
    const { readShortArchive } = await this.#archive
    return readShortArchive(payload)
  }

  /** Throws `overloaded` when too many scans wait, of all accounts or of this one. */
  expectRoom(accountId: number): void {
    const mine = this.#waiting.lengthOf(accountId)
    const full =
      mine >= this.#mostWaitingOfOne
        ? `${mine} packages of this account wait to be looked at`
        : this.#waiting.length >= this.#mostWaiting
          ? `${this.#waiting.length} packages wait to be looked at`
          : undefined
    if (full !== undefined)
      throw new DepotError('overloaded', `${full}: try again in ${RETRY_AFTER_SECONDS} seconds`, {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      })
  }

  /** Ends every thread, and rejects what was not finished with `shutting_down`. */
  async close(): Promise<void> {
    this.#closed = true
    this.#dispatch()
    await this.#threads.terminate()
  }

  #dispatch(): void {
    while (this.#closed || this.#running.size <= this.#workers) {
      const isSpare = this.#running.size === this.#workers && !this.#closed
      const scan = this.#waiting.shift((accountId) => !isSpare || !this.#isRunning(accountId))
      if (scan === undefined) return
      if (this.#closed) scan.reject(closed())
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
      stopping.abort(new DepotError('hart_malformed', `its archive took longer than ${seconds} s to read`))
    }, this.#timeoutMs)
    this.#running.add(scan)
    try {
      scan.resolve(await this.#threads.run({ path, payloadOffset }, stopping.signal))
    } catch (error) {
      scan.reject(error)
    } finally {
      clearTimeout(timer)
      this.#running.delete(scan)
      this.#dispatch()
    }
  }
}

interface Scan {
  readonly path: string
  readonly payloadOffset: number
  readonly accountId: number
  readonly resolve: (metadata: HartMetadata) => void
  readonly reject: (reason: unknown) => void
}

function closed(): DepotError {
  return new DepotError('shutting_down', 'the depot is shutting down')
}
