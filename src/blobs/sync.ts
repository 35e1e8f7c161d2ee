import { closeSync, fsync, openSync } from 'node:fs'
import { promisify } from 'node:util'

const syncFile = promisify(fsync)

/**
 * Makes a file, or the entries of a folder, durable (fsync). Rejects with the system's error. The file was just written and the folder just
 * changed, so opening them reads nothing from the disk, and closing has nothing left to write: both cost less here than the way to a thread
 * of libuv and back.
 */
export async function sync(path: string): Promise<void> {
  const fd = openSync(path, 'r')
  try {
    await syncFile(fd)
  } finally {
    closeSync(fd)
  }
}

/** Syncs folders. Callers that wait for the same folder share one sync: the next that begins, as one that has begun may miss their change. */
export class FolderSyncs {
  readonly #next = new Map<string, Promise<void>>()
  readonly #running = new Map<string, Promise<void>>()

  sync(folder: string): Promise<void> {
    const waiting = this.#next.get(folder)
    if (waiting !== undefined) return waiting
    const next = this.#after(this.#running.get(folder), folder)
    this.#next.set(folder, next)
    return next
  }

  async #after(running: Promise<void> | undefined, folder: string): Promise<void> {
    await running?.catch(() => undefined) // reported to those who share it
    this.#next.delete(folder)
    const now = sync(folder).finally(() => {
      if (this.#running.get(folder) === now) this.#running.delete(folder)
    })
    this.#running.set(folder, now)
    await now
  }
}
