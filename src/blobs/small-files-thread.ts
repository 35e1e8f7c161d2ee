import { closeSync, fsync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { answerTasks } from '../threads/pool-thread.ts'
import { sync } from './sync.ts'
import { packError } from '../threads/thread-error.ts'
import type { PackedError } from '../threads/thread-error.ts'

// The other side of small-files.ts. Nothing else runs in this thread, so it writes and renames synchronously.
// Syncs run side by side: the file system writes its journal once for all that wait for it.

/** Files to place. `bytes` has their bytes one after the other; those of a file end before its `end`. */
export interface SmallFilesTask {
  readonly files: readonly { readonly spoolPath: string; readonly path: string; readonly end: number }[]
  readonly bytes: Uint8Array
}

/** A file that is being placed. */
interface Placing {
  readonly spoolPath: string
  readonly path: string
  readonly bytes: Uint8Array
  readonly folder: string
  fd: number | undefined
  fault: PackedError | undefined
}

const syncFile = promisify(fsync)

/** The folders that this thread has made durable. */
const made = new Set<string>()

answerTasks(async ({ files, bytes }: SmallFilesTask): Promise<(PackedError | undefined)[]> => {
  const placing = files.map(({ spoolPath, path, end }, index): Placing => {
    const start = files[index - 1]?.end ?? 0
    return {
      spoolPath,
      path,
      bytes: bytes.subarray(start, end),
      folder: dirname(path),
      fd: undefined,
      fault: undefined,
    }
  })
  await placeAll(placing)
  return placing.map(({ fault }) => fault)
})

/**
 * Writes the files and moves them to their places. First the bytes of all files become durable, then the
 * files get their names, and then the entries of the folders become durable. So a crash leaves no incomplete
 * file in its place.
 */
async function placeAll(files: readonly Placing[]): Promise<void> {
  await each(files, write)
  await each(files, ({ fd }) => (fd === undefined ? undefined : syncFile(fd)))
  for (const { fd } of files) if (fd !== undefined) closeSync(fd)
  await makeFolders(files.filter(({ folder }) => !made.has(folder)))
  await each(files, async (file) => {
    try {
      renameSync(file.spoolPath, file.path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      await makeFolders([file]) // the folder was removed
      if (file.fault === undefined) renameSync(file.spoolPath, file.path)
    }
  })
  await syncFolders(files, ({ folder }) => folder)
  for (const { spoolPath, fault } of files) if (fault !== undefined) rmSync(spoolPath, { force: true })
}

/** Creates the missing folders of files, and makes all their folders durable. */
async function makeFolders(files: readonly Placing[]): Promise<void> {
  await each(files, ({ folder }) => {
    try {
      mkdirSync(folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  })
  await syncFolders(files, ({ folder }) => dirname(folder))
  for (const { folder, fault } of files) if (fault === undefined) made.add(folder)
}

/** Makes the entries of folders durable, each folder once for all of its files. */
async function syncFolders(files: readonly Placing[], folderOf: (file: Placing) => string): Promise<void> {
  const whole = files.filter(({ fault }) => fault === undefined)
  const syncs = new Map([...new Set(whole.map(folderOf))].map((folder) => [folder, sync(folder)]))
  await each(whole, (file) => syncs.get(folderOf(file)))
}

/**
 * Runs `step` for all files without a fault, side by side. The error of a step becomes the fault of its file.
 */
async function each(files: readonly Placing[], step: (file: Placing) => Promise<void> | void): Promise<void> {
  const whole = files.filter(({ fault }) => fault === undefined)
  const steps = await Promise.allSettled(whole.map(async (file) => step(file)))
  for (const [index, file] of whole.entries()) {
    const outcome = steps[index]
    if (outcome?.status === 'rejected') file.fault = packError(outcome.reason)
  }
}

function write(file: Placing): void {
  const fd = openSync(file.spoolPath, 'wx')
  file.fd = fd
  for (let written = 0; written < file.bytes.length;) written += writeSync(fd, file.bytes, written)
}
