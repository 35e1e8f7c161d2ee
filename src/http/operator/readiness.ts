import { access, constants } from 'node:fs/promises'
import { countDamaged } from '../../blobs/blob-store.ts'
import { readDiskSpace } from '../../blobs/disk-space.ts'
import type { DiskSpace } from '../../blobs/disk-space.ts'
import type { Depot } from '../../depot/open.ts'
import { listViews } from '../../revisions/view-store.ts'

export interface Readiness {
  /** Whether the depot can answer reads, and so should receive requests. */
  readonly isReady: boolean
  readonly database: string
  /**
   * `ok`, or the reason why writes will be refused. Reads still work, so a full disk does not make the depot
   * unready.
   */
  readonly disk: string
  /** Problems the operator should fix, one sentence each, without paths. */
  readonly reasons: readonly string[]
}

/** Checks whether a depot can answer requests. Never rejects: problems are part of the result. */
export async function checkReadiness(depot: Depot): Promise<Readiness> {
  const database = await listViews(depot.db, { after: 0, limit: 1 }).then(() => 'ok', describeFailure)
  const damaged = database === 'ok' ? await countDamaged(depot.db).catch(() => 0) : 0
  const disk = await diskState(depot).catch(describeFailure)
  const reasons = [
    ...(database === 'ok' ? [] : ['the database does not answer']),
    ...(depot.files.findGone() === undefined
      ? []
      : ['every change is refused: the data folder was removed or replaced while the depot ran']),
    ...(disk === 'ok' ? [] : [`uploads are refused: the disk is ${disk}`]),
    ...(damaged === 0
      ? []
      : [
          `${damaged === 1 ? 'one package is' : `${damaged} packages are`} damaged on the disk and not served: upload the same bytes again`,
        ]),
  ]
  return { isReady: database === 'ok', database, disk, reasons }
}

async function diskState(depot: Depot): Promise<string> {
  await Promise.all([access(depot.config.dataFolder, constants.W_OK), depot.blobs.storage.check()])
  const { database, packages } = await readDiskSpace(depot)
  const full = [database, packages].find(isFull)
  return full === undefined
    ? 'ok'
    : `full: ${full.freeBytes} bytes are left, and ${full.reserveBytes} are reserved`
}

function isFull({ freeBytes, reserveBytes }: DiskSpace): boolean {
  return freeBytes < reserveBytes
}

/** Describes an error by its code, because messages may have paths. */
function describeFailure(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? `failed: ${error.code}`
    : 'failed'
}
