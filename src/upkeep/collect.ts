import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Db } from '../database/database.ts'
import type { DepotWriter } from '../writer/writer.ts'
import { listStored, listUnneeded } from '../blobs/blob-store.ts'
import type { Claims } from '../blobs/claims.ts'
import { listFiles } from '../blobs/list-files.ts'

interface World {
  readonly db: Db
  /** Of the blobs, and of what is being received. */
  readonly folder: string
  readonly spool: string
  readonly claims: Pick<Claims, 'forget'>
  readonly writer: Pick<DepotWriter, 'submit'>
  readonly log: Logger
  /** Whether the operator has still to say what is to become of files without a row. */
  readonly isOff: () => Promise<boolean>
  /** How long nothing needs a file before it is taken away. */
  readonly graceMs: number
  /** How long what is being received stays as it is before it belongs to nobody: longer than any upload is waited for, or looked into. */
  readonly spoolGraceMs: number
}

const ACTOR = { client: 'hart-depot', door: 'depot' } as const
const ROWS_AT_A_TIME = 100
const WALK_EVERY_MS = 60 * 60_000
/** Between two pieces of a walk. */
const REST_MS = 20
/** How many files without a row are kept in mind; further ones wait for a later walk. */
const MOST_SEEN = 10_000

/**
 * Takes away what nothing needs: bytes of deleted releases, files without a row that a crash left, and the rest of uploads that broke
 * off. A file is taken away once two walks at least a grace period apart have found that nothing needs it, by a clock that nobody sets; and
 * by way of the claims, which take away nothing that a row or an upload needs. One thing for a store.
 */
export class Collector {
  readonly #world: World
  /** When a file was first found without need, by `performance.now`. */
  #seen = new Map<string, number>()
  #collected = 0

  constructor(world: World) {
    this.#world = world
  }

  /** How many files were taken away since the depot was opened. */
  get collected(): number {
    return this.#collected
  }

  /** Walks once an hour until it is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.walk(signal).catch((error: unknown) => {
        if (!signal.aborted)
          this.#world.log.error(
            { err: error },
            'looking for files that nothing needs was broken off; it begins again in an hour',
          )
      })
      await sleep(WALK_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** Looks through all rows and files, a few at a time. Does nothing while collecting is off. Rejects when it is aborted. */
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
      log.info({ files: this.#collected - before }, 'files that nothing needs were taken away')
    if (seen.size > 0)
      log.warn(
        { files: seen.size, grace_minutes: Math.round(graceMs / 60_000) },
        'files were found that nothing needs: they are taken away after the grace period; verify lists them',
      )
  }

  async #walkRows(seen: Map<string, number>, signal: AbortSignal | undefined): Promise<void> {
    const { db, claims, writer } = this.#world
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
    const { db, folder, claims } = this.#world
    for await (const files of listFiles(folder)) {
      const checksums = files.flatMap(({ checksum }) => checksum ?? [])
      const stored = new Set(await listStored(db, checksums))
      for (const checksum of checksums)
        if (!stored.has(checksum) && this.#isOver(checksum, seen))
          await this.#take(() => claims.forget(checksum))
      await this.#rest(signal)
    }
  }

  /** What is being received grows. A file that has stayed as it is for so long belongs to nobody. */
  async #walkSpool(seen: Map<string, number>): Promise<void> {
    const { spool } = this.#world
    for (const name of await readdir(spool)) {
      const path = join(spool, name)
      const found = await stat(path).catch(() => undefined) // whoever received it may have taken it away
      if (
        found !== undefined &&
        this.#isOver(`${name} ${found.size} ${found.mtimeMs}`, seen, this.#world.spoolGraceMs)
      )
        await this.#take(() => rm(path, { force: true }))
    }
  }

  /** Whether a file that nothing needs now was seen so a grace period ago. It is kept in mind otherwise. */
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
