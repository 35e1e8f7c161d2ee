import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { DEPOT_ACTOR } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { readClockSetBackAt } from '../database/state-store.ts'
import { inBatches } from '../database/batches.ts'
import type { CommandQueue } from '../commands/commands.ts'
import { isInQuarantine, listStored, listUnneeded } from '../blobs/blob-store.ts'
import type { Blobs } from '../blobs/open.ts'

interface Dependencies {
  readonly db: Db
  readonly blobs: Blobs
  readonly writer: CommandQueue
  readonly log: Logger
  readonly now: () => number
  /** Whether collection is off, because the operator has not yet adopted or discarded files without a row. */
  readonly isOff: () => Promise<boolean>
  /** How long a file must be unneeded before it is removed. */
  readonly graceMs: number
  /**
   * How long a received file may stay unchanged before it counts as abandoned. This must be longer than any
   * upload may take.
   */
  readonly spoolGraceMs: number
}

const ROWS_IN_A_PAGE = 100
const WALK_EVERY_MS = 60 * 60_000
/** The pause after each page of a walk, so that other work is not delayed. */
const PAUSE_MS = 20
/** The maximum number of unneeded files that are remembered. Others wait for a later walk. */
const MAX_REMEMBERED_FILES = 10_000

/** Files without a row are kept if they are more than this number, and more than this share of all files. */
const MIN_HELD_FILES = 100
const HELD_SHARE = 0.1

/**
 * Removes unneeded files: bytes of deleted releases, files without a row after a crash, and files of aborted
 * uploads in the spool. A file is removed once two walks have found it unneeded that are at least a grace
 * period apart, by a monotonic clock. Bytes that retention freed also wait for the end of their quarantine.
 * Blobs are removed through the claims, which keep every blob that a row or an upload needs. Crashes leave
 * few files without a row. If there are many, they probably belong to another depot, and the collector leaves
 * them. A depot has one collector.
 */
export class Collector {
  readonly #depot: Dependencies
  /** When each unneeded file was first found, by `performance.now`. */
  #seen = new Map<string, number>()
  #collected = 0

  constructor(depot: Dependencies) {
    this.#depot = depot
  }

  /** The number of files without a row that were removed since the depot was opened. */
  get collected(): number {
    return this.#collected
  }

  /** Walks once an hour until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.walk(signal).catch((error: unknown) => {
        if (!signal.aborted)
          this.#depot.log.error(
            { err: error },
            'the search for unneeded files failed; it starts again in an hour',
          )
      })
      await sleep(WALK_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /**
   * Examines all rows and files, a few at a time. Does nothing while collection is off. Rejects when aborted.
   */
  async walk(signal?: AbortSignal): Promise<void> {
    const seen = new Map<string, number>()
    const before = this.#collected
    if (!(await this.#depot.isOff())) {
      await this.#walkRows(seen, signal)
      await this.#walkFiles(seen, signal)
      await this.#walkSpool(seen)
    }
    this.#seen = seen
    const { log, graceMs } = this.#depot
    if (this.#collected > before) log.info({ files: this.#collected - before }, 'unneeded files were removed')
    if (seen.size > 0)
      log.warn(
        { files: seen.size, grace_minutes: Math.round(graceMs / 60_000) },
        'unneeded files were found: they are removed after the grace period; verify lists them',
      )
  }

  async #walkRows(seen: Map<string, number>, signal: AbortSignal | undefined): Promise<void> {
    const {
      db,
      blobs: { claims },
      writer,
      now,
    } = this.#depot
    for (
      let page = await listUnneeded(db, { after: undefined, limit: ROWS_IN_A_PAGE });
      page.length > 0;
      page = await listUnneeded(db, { after: page.at(-1), limit: ROWS_IN_A_PAGE })
    ) {
      const clock = { now: now(), setBackAt: await readClockSetBackAt(db) }
      const checksums = page
        .filter((blob) => !isInQuarantine(blob, clock))
        .filter(({ checksum, since }) => this.#isDue(`${checksum} ${since}`, seen))
        .map(({ checksum }) => checksum)
      for (const checksum of checksums) await claims.forget(checksum)
      if (checksums.length > 0)
        await writer.submit({ kind: 'markCollected', input: { checksums }, actor: DEPOT_ACTOR })
      await this.#pause(signal)
    }
  }

  async #walkFiles(seen: Map<string, number>, signal: AbortSignal | undefined): Promise<void> {
    const {
      db,
      blobs: { storage, claims },
      log,
      now,
    } = this.#depot
    await storage.removeRemains(now())
    const unneeded: string[] = []
    let count = 0
    let unneededCount = 0
    for await (const { checksums } of storage.list()) {
      const stored = new Set(await listStored(db, checksums))
      const others = checksums.filter((checksum) => !stored.has(checksum))
      count += checksums.length
      unneededCount += others.length
      unneeded.push(...others.slice(0, MAX_REMEMBERED_FILES - unneeded.length))
      await this.#pause(signal)
    }
    if (unneededCount > MIN_HELD_FILES && unneededCount > count * HELD_SHARE) {
      log.error(
        { files: unneededCount, of: count },
        'none of the files without a release is removed, because there are too many: the packages may be those of another depot, or the database may be an older copy. Check DEPOT_BLOBS; hart-depot verify lists the files',
      )
      return
    }
    for (const checksums of inBatches(unneeded, ROWS_IN_A_PAGE)) {
      for (const checksum of checksums)
        if (this.#isDue(checksum, seen)) await this.#collect(() => claims.forget(checksum))
      await this.#pause(signal)
    }
  }

  /**
   * Removes abandoned files from the spool. A file that is being received grows; one that has not changed for
   * the grace period is abandoned.
   */
  async #walkSpool(seen: Map<string, number>): Promise<void> {
    const {
      blobs: { spool },
      spoolGraceMs,
    } = this.#depot
    for (const { name, version } of await spool.list())
      if (this.#isDue(`${name} ${version}`, seen, spoolGraceMs)) await this.#collect(() => spool.remove(name))
  }

  /**
   * Reports whether an unneeded file was first seen at least a grace period ago. Otherwise adds it to `seen`.
   */
  #isDue(file: string, seen: Map<string, number>, graceMs = this.#depot.graceMs): boolean {
    const now = performance.now()
    const first = this.#seen.get(file) ?? now
    if (now - first >= graceMs) return true
    if (seen.size < MAX_REMEMBERED_FILES) seen.set(file, first)
    return false
  }

  async #collect(remove: () => Promise<void>): Promise<void> {
    await remove()
    this.#collected += 1
  }

  async #pause(signal: AbortSignal | undefined): Promise<void> {
    if (signal !== undefined) await sleep(PAUSE_MS, undefined, { signal, ref: false })
  }
}
