import { execFile } from 'node:child_process'
import { closeSync, fsync, openSync } from 'node:fs'
import { promisify } from 'node:util'
import { ConcurrencyLimit } from '../threads/concurrency-limit.ts'

const syncFile = promisify(fsync)
const run = promisify(execFile)

/** For fewer paths, starting a program costs more than it saves. */
const PROGRAM_FROM_PATHS = 64
/** The number of libuv's threads, so further calls would only wait. */
const PARALLEL = 4

/**
 * Makes a file or the entries of a folder durable (fsync). Rejects with the system's error. Opens and closes
 * the path synchronously: the system has it in memory because it was just changed, so a thread of libuv would
 * cost more.
 */
export async function sync(path: string): Promise<void> {
  const fd = openSync(path, 'r')
  try {
    await syncFile(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * Makes many files, or the entries of many folders, durable. They must be on one file system. Rejects with
 * the system's error.
 *
 * `sync -f` writes back the whole file system, and ends when everything is on the disk (syncfs). For many
 * small files, this takes a fraction of the time of as many calls of fsync, each of which waits for the disk.
 * Like fsync, it fails if something could not be written, for example on a full disk. Node has no syncfs, and
 * not every system has the program or its option, so each path is synced by itself if the program fails.
 */
export async function syncMany(paths: readonly string[]): Promise<void> {
  const [first] = paths
  if (first !== undefined && paths.length >= PROGRAM_FROM_PATHS && process.platform === 'linux')
    try {
      await run('sync', ['-f', first])
      return
    } catch {
      // no such program, or a fault, which belongs to one of the paths
    }
  const limit = new ConcurrencyLimit(PARALLEL)
  await Promise.all(paths.map((path) => limit.run(() => sync(path))))
}

/**
 * Syncs folders. Callers that wait for the same folder share one sync. A call always waits for a sync that
 * begins after the call, because a running sync may miss the caller's change.
 */
export class FolderSyncs {
  /** By folder, the sync that has not begun. */
  readonly #next = new Map<string, Promise<void>>()
  readonly #running = new Map<string, Promise<void>>()

  sync(folder: string): Promise<void> {
    const waiting = this.#next.get(folder)
    if (waiting !== undefined) return waiting
    const next = this.#syncAfter(this.#running.get(folder), folder)
    this.#next.set(folder, next)
    return next
  }

  async #syncAfter(running: Promise<void> | undefined, folder: string): Promise<void> {
    await running?.catch(() => undefined) // its own callers get the error
    this.#next.delete(folder)
    const now = sync(folder).finally(() => {
      if (this.#running.get(folder) === now) this.#running.delete(folder)
    })
    this.#running.set(folder, now)
    await now
  }
}
