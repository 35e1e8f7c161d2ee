import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Db } from '../database/database.ts'
import type { CommandQueue } from '../commands/commands.ts'
import { listStored, listUnneeded } from '../blobs/blob-store.ts'
import type { Blobs } from '../blobs/open.ts'

interface World {
  readonly db: Db
  readonly blobs: Blobs
  readonly writer: CommandQueue
  readonly log: Logger
  /** Whether collecting is off, because the operator has not yet adopted or discarded files without a row. */
  readonly isOff: () => Promise<boolean>
  /** How long a file must be unneeded before it is removed. */
  readonly graceMs: number
  /** How long a received file may stay unchanged before it counts as abandoned. This must be longer than any upload may take. */
  readonly spoolGraceMs: number
}

const ACTOR = { client: 'hart-depot', door: 'depot' } as const
const ROWS_AT_A_TIME = 100
const WALK_EVERY_MS = 60 * 60_000
/** The pause between two parts of a walk. */
const REST_MS = 20
/** The most unneeded files that are remembered; others wait for a later walk. */
const MOST_SEEN = 10_000

/**
 * Removes unneeded files: bytes of deleted releases, files without a row after a crash, and parts of aborted uploads. A
 * file is removed once two walks, at least a grace period apart by a monotonic clock, have found it unneeded. Removal
 * goes through the claims, which keep anything that a row or an upload needs. A store has one collector.
 */
export class Collector {
  readonly #world: World
  /** When a file was first found unneeded, by `performance.now`. */
  #seen = new Map<string, number>()
  #collected = 0

  constructor(world: World) {
    this.#world = world
  }

  /** The number of files removed since the depot was opened. */
  get collected(): number {
    return this.#collected
  }

  /** Walks once an hour until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.walk(signal).catch((error: unknown) => {
        if (!signal.aborted)
          this.#world.log.error(
            { err: error },
            'the search for files that nothing needs failed; it starts again in an hour',
          )
      })
      await sleep(WALK_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** Examines all rows and files, a few at a time. Does nothing while collecting is off. Rejects when aborted. */
  async walk(signal?: AbortSignal): Promise<void> {
    const seen = new Map<string, number>()
    const before = this.#collected
    if (!(await this.#world.isOff())) {
      await this.#walkRows(seen, signal)
      await this.#walkFiles(seen, signal)
      await this.#walkSpool(seen)
    }
    this.#seen = seen
    const { log, graceMs } = this.#world
    if (this.#collected > before)
      log.info({ files: this.#collected - before }, 'files that nothing needs were removed')
    if (seen.size > 0)
      log.warn(
        { files: seen.size, grace_minutes: Math.round(graceMs / 60_000) },
        'files were found that nothing needs: they are removed after the grace period; verify lists them',
      )
  }

  async #walkRows(seen: Map<string, number>, signal: AbortSignal | undefined): Promise<void> {
    const {
      db,
      blobs: { claims },
      writer,
    } = this.#world
    for (
      let page = await listUnneeded(db, { after: undefined, limit: ROWS_AT_A_TIME });
      page.length > 0;
      page = await listUnneeded(db, { after: page.at(-1), limit: ROWS_AT_A_TIME })
    ) {
      const checksums = page
        .filter(({ checksum, since }) => this.#isOver(`${checksum} ${since}`, seen))
        .map(({ checksum }) => checksum)
      for (const checksum of checksums) await claims.forget(checksum)
      if (checksums.length > 0)
        await writer.submit({ kind: 'noteCollected', input: { checksums }, actor: ACTOR })
      await this.#rest(signal)
    }
  }

  async #walkFiles(seen: Map<string, number>, signal: AbortSignal | undefined): Promise<void> {
    const {
      db,
      blobs: { storage, claims },
    } = this.#world
    for await (const { checksums } of storage.list()) {
      const stored = new Set(await listStored(db, checksums))
      for (const checksum of checksums)
        if (!stored.has(checksum) && this.#isOver(checksum, seen))
          await this.#take(() => claims.forget(checksum))
      await this.#rest(signal)
    }
  }

  /**
   * Removes abandoned files from the spool. A file that is being received grows; one that has not changed for the
   * grace period is abandoned.
   */
  async #walkSpool(seen: Map<string, number>): Promise<void> {
    const {
      blobs: { spool },
      spoolGraceMs,
    } = this.#world
    for (const { name, version } of await spool.list())
      if (this.#isOver(`${name} ${version}`, seen, spoolGraceMs)) await this.#take(() => spool.remove(name))
  }

  /** Reports whether an unneeded file was first seen at least a grace period ago. Otherwise remembers it. */
  #isOver(file: string, seen: Map<string, number>, graceMs = this.#world.graceMs): boolean {
    const now = performance.now()
    const first = this.#seen.get(file) ?? now
    if (now - first >= graceMs) return true
    if (seen.size < MOST_SEEN) seen.set(file, first)
    return false
  }

  async #take(take: () => Promise<void>): Promise<void> {
    await take()
    this.#collected += 1
  }

  async #rest(signal: AbortSignal | undefined): Promise<void> {
    if (signal !== undefined) await sleep(REST_MS, undefined, { signal, ref: false })
  }
}
