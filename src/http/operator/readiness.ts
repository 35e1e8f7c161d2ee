import { access, constants, statfs } from 'node:fs/promises'
import type { Depot } from '../../depot.ts'
import { listViews } from '../../views/view-store.ts'

export interface Readiness {
  /** Whether requests should be sent here: it can answer reads. */
  readonly isReady: boolean
  readonly database: string
  /** `ok`, or why writes are going to be refused. Reads are answered all the same, so that this alone makes no depot unready. */
  readonly disk: string
  /** What the operator should mend, a sentence each, without paths. */
  readonly reasons: readonly string[]
}

const LEAST_FREE_BYTES = 64 * 1024 * 1024

/** Looks at what a depot needs to answer. Never rejects: what is wrong is said in the answer. */
export async function readiness(depot: Depot): Promise<Readiness> {
  const database = await listViews(depot.db, { after: 0, limit: 1 }).then(() => 'ok', reason)
  const disks = await Promise.all([depot.config.dataFolder, depot.config.blobFolder].map((folder) => diskState(folder).catch(reason)))
  const disk = disks.find((state) => state !== 'ok') ?? 'ok'
  const reasons = [
    ...(database === 'ok' ? [] : ['the database does not answer']),
    ...(depot.files.findGone() === undefined ? [] : ['every change is refused: the data folder was removed or replaced while the depot ran']),
    ...(disk === 'ok' ? [] : [`uploads are refused: the disk is ${disk}`]),
  ]
  return { isReady: database === 'ok', database, disk, reasons }
}

async function diskState(folder: string): Promise<string> {
  await access(folder, constants.W_OK)
  const { bavail, bsize } = await statfs(folder)
  const freeBytes = bavail * bsize
  return freeBytes >= LEAST_FREE_BYTES ? 'ok' : `full: ${freeBytes} bytes are left`
}

/** The kind of error, without paths. */
function reason(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? `failed: ${error.code}` : 'failed'
}
