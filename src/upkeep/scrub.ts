import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { DEPOT_ACTOR } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import type { HashThreads } from '../hart/hash-threads.ts'
import type { CommandQueue } from '../commands/commands.ts'
import { findBlob, listBlobs, listDamaged, readScrub } from '../blobs/blob-store.ts'
import type { ScrubProgress } from '../blobs/blob-store.ts'
import type { ClaimsInMemory } from '../blobs/claims.ts'
import { inspect, verifyBytes } from '../blobs/damage.ts'
import type { Finding } from '../blobs/damage.ts'
import type { Blobs } from '../blobs/open.ts'
import type { BlobRef, Damage } from '../blobs/storage.ts'

interface Dependencies {
  readonly db: Db
  readonly blobs: Blobs & { readonly claims: ClaimsInMemory }
  readonly hashes: HashThreads
  readonly writer: CommandQueue
  readonly log: Logger
  readonly now: () => number
  /** The reading speed of passes in bytes per second; 0 disables passes. */
  readonly bytesPerS: number
}

/** Resolves when `bytes` further bytes may be read. */
type Pace = (bytes: number) => Promise<void>

/** Opening a blob counts as reading this many bytes, so that small blobs are read slowly, too. */
const OPEN_BYTES = 64 * 1024
const ROWS_IN_A_PAGE = 100
const DAY_MS = 24 * 60 * 60 * 1_000
/** The time from the start of one pass to the start of the next. */
const PASS_EVERY_MS = 7 * DAY_MS
const SAVE_EVERY_MS = 5 * 60_000
const RETRY_MS = 60_000
/** After so many failures, a pass leaves a blob out. */
const MAX_ATTEMPTS = 3
/**
 * How long a pass waits for running uploads before it reads on. With constant uploads, the pass continues
 * slowly.
 */
const MAX_YIELD_MS = 1_000
const YIELD_MS = 50
/** The maximum number of damaged blobs that are examined before each pass. */
const MAX_DAMAGED = 1_000
const unpaced: Pace = () => Promise.resolve()

/**
 * Reads blobs again and records damage: all blobs slowly, pass after pass, and single blobs at full speed on
 * request. Hashing runs in threads. A depot has one scrub.
 */
export class Scrub {
  readonly #depot: Dependencies
  /** The requested examinations in progress, by checksum. Examinations of passes are not among them. */
  readonly #running = new Map<string, Promise<Damage | undefined>>()
  /** The number of this scrub's hashes in progress. All others are of uploads, which go first. */
  #hashings = 0
  #scrubbedBytes = 0
  /** How often the examination of a blob has failed in this pass, by checksum. */
  readonly #failures = new Map<string, number>()

  constructor(depot: Dependencies) {
    this.#depot = depot
  }

  /** The bytes read since the depot was opened. */
  get scrubbedBytes(): number {
    return this.#scrubbedBytes
  }

  /**
   * Reads a blob, records its damage and returns it; `undefined` for an intact blob and for one that no
   * release needs. Rejects with any error that prevents the check.
   */
  examine(checksum: string): Promise<Damage | undefined> {
    const running = this.#running.get(checksum)
    if (running !== undefined) return running
    const examining = this.#examine(checksum, unpaced).finally(() => this.#running.delete(checksum))
    this.#running.set(checksum, examining)
    return examining
  }

  /**
   * Makes passes until aborted. Before each pass, and each day, checks whether damaged blobs were repaired.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { db, now, log, bytesPerS } = this.#depot
    if (bytesPerS === 0) return
    const wait = (ms: number) => sleep(ms, undefined, { signal, ref: false })
    while (!signal.aborted) {
      try {
        for (const checksum of await listDamaged(db, MAX_DAMAGED))
          await this.#examineOrLeave(checksum, this.#throttle(signal), signal)
        const { scrubbedTo, begunAt } = await readScrub(db)
        const leftMs = scrubbedTo === '' && begunAt !== null ? begunAt + PASS_EVERY_MS - now() : 0
        if (leftMs <= 0) await this.pass(signal)
        else await wait(Math.min(leftMs, DAY_MS)) // damaged blobs are examined every day
      } catch (error) {
        if (signal.aborted) return
        log.error({ err: error }, 'the scrub of all packages failed; it continues in a minute')
        await wait(RETRY_MS).catch(() => undefined)
      }
    }
  }

  /**
   * Reads every blob, from the position of the last aborted pass. When aborted, stores the position and
   * rejects.
   */
  async pass(signal?: AbortSignal): Promise<void> {
    const { db, now, log } = this.#depot
    const pace = this.#throttle(signal)
    const before = await readScrub(db)
    let { scrubbedTo } = before
    const begunAt = scrubbedTo === '' || before.begunAt === null ? now() : before.begunAt
    let savedAt = performance.now()
    let damaged = 0
    try {
      for (
        let page = await listBlobs(db, { after: scrubbedTo, limit: ROWS_IN_A_PAGE });
        page.length > 0;
        page = await listBlobs(db, { after: scrubbedTo, limit: ROWS_IN_A_PAGE })
      ) {
        for (const { checksum } of page) {
          signal?.throwIfAborted()
          if ((await this.#examineOrLeave(checksum, pace, signal)) !== undefined) damaged += 1
          scrubbedTo = checksum
          if (performance.now() - savedAt < SAVE_EVERY_MS) continue
          await this.#savePosition({ scrubbedTo, begunAt })
          savedAt = performance.now()
        }
      }
    } catch (error) {
      await this.#savePosition({ scrubbedTo, begunAt }).catch(() => undefined) // the first error is thrown
      throw error
    }
    this.#failures.clear()
    await this.#savePosition({ scrubbedTo: '', begunAt, endedAt: now() })
    log.info({ damaged }, 'the scrub has read all packages')
  }

  /**
   * Examines a blob for a pass. Rejects with a failure that says nothing about the blob; after several such
   * failures, leaves the blob out, so that the pass reads the others.
   */
  async #examineOrLeave(
    checksum: string,
    pace: Pace,
    signal: AbortSignal | undefined,
  ): Promise<Damage | undefined> {
    try {
      return await this.#examine(checksum, pace)
    } catch (error) {
      if (signal?.aborted === true) throw error
      const failures = (this.#failures.get(checksum) ?? 0) + 1
      this.#failures.set(checksum, failures)
      if (failures < MAX_ATTEMPTS) throw error
      const { log, blobs } = this.#depot
      log.error(
        { err: error, checksum, place: blobs.storage.placeOf(checksum) },
        'a package could not be examined: the scrub leaves it out until the next pass',
      )
      return undefined
    }
  }

  async #examine(checksum: string, pace: Pace): Promise<Damage | undefined> {
    const {
      db,
      blobs: { storage, claims },
      writer,
      log,
    } = this.#depot
    const blob = await findBlob(db, checksum)
    if (blob === undefined) return undefined
    const seen = await inspect(storage, blob)
    const { damage, reason } = seen.damage === undefined ? await this.#read(blob, pace) : seen
    if (damage === blob.damage) return damage
    // An upload may have replaced the blob since it was read; then its version differs, and it is intact.
    // While the function below runs, nothing replaces the blob: this thread holds the claim, and other nodes
    // wait. If another node has a claim, the function does not run, because that node's upload replaces it.
    return claims.unlessElsewhere(checksum, async (isStillFree) => {
      if ((await inspect(storage, blob)).version !== seen.version || !(await isStillFree())) return undefined
      await writer.submit({
        kind: 'setDamage',
        input: { checksum, ...(damage !== undefined && { damage }) },
        actor: DEPOT_ACTOR,
      })
      if (damage === undefined) log.warn({ checksum }, 'the bytes of a package are intact again')
      else
        log.error(
          { checksum, place: storage.placeOf(checksum), damage, ...(reason !== undefined && { reason }) },
          damage === 'unreadable'
            ? 'the bytes of a package cannot be read: repair the disk or its permissions, or upload the same file again'
            : 'the bytes of a package are damaged: upload the same file again, or put it back',
        )
      return damage
    })
  }

  async #read(blob: BlobRef, pace: Pace): Promise<Finding> {
    const { blobs, hashes } = this.#depot
    await pace(OPEN_BYTES)
    this.#hashings += 1
    try {
      return await verifyBytes(blobs.storage, blob, {
        hashes,
        onRead: (bytes) => {
          this.#scrubbedBytes += bytes
          return pace(bytes)
        },
      })
    } finally {
      this.#hashings -= 1
    }
  }

  /** Returns a pace that keeps to the reading speed, and that lets uploads go first. */
  #throttle(signal?: AbortSignal): Pace {
    const { hashes, bytesPerS } = this.#depot
    const wait = (ms: number) => sleep(ms, undefined, { ref: false, ...(signal && { signal }) })
    return async (bytes) => {
      const ms = (bytes / bytesPerS) * 1_000
      if (ms >= 1) await wait(ms)
      for (let waitedMs = 0; hashes.count > this.#hashings && waitedMs < MAX_YIELD_MS; waitedMs += YIELD_MS)
        await wait(YIELD_MS)
    }
  }

  async #savePosition(position: ScrubProgress): Promise<void> {
    await this.#depot.writer.submit({ kind: 'setScrubPosition', input: position, actor: DEPOT_ACTOR })
  }
}
