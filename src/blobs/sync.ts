import { closeSync, fsync, openSync } from 'node:fs'
import { promisify } from 'node:util'

const syncFile = promisify(fsync)

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
