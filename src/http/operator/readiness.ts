import { access, constants } from 'node:fs/promises'
import { countDamaged } from '../../blobs/blob-store.ts'
import { findServiceFault } from '../../blobs/open.ts'
import { readDiskSpace } from '../../blobs/disk-space.ts'
import type { DiskSpace } from '../../blobs/disk-space.ts'
import { listRefreshed } from '../../channels/refresh-store.ts'
import { MAX_CLOCK_SKEW_MS } from '../../clock.ts'
import type { Depot } from '../../depot/depot.ts'
import { findState } from '../../database/state-store.ts'
import { findHead } from '../../ledger/ledger-store.ts'
import { listViews } from '../../revisions/view-store.ts'
import { counted } from '../../text/counted.ts'
import { isBehind } from '../requests/behind.ts'
import { readLastRun } from '../../upstream/last-run.ts'
import { adoptedChannels, formatChannel } from '../../upstream/channels.ts'

export interface Readiness {
  /** Whether the depot can answer reads, and so should receive requests. */
  readonly isReady: boolean
  readonly database: string
  /**
   * `ok`, or the reason why writes will be refused. Reads still work, so a full disk does not make the depot
   * unready.
   */
  readonly disk: string
  /** Problems that the operator should fix. */
  readonly problems: readonly Problem[]
}

/** Names of problems, for alerts. */
export const PROBLEMS = [
  'database',
  'node',
  'data_gone',
  'moving',
  'disk',
  'storage',
  'damaged_blobs',
  'clock',
  'upstream',
  'mirror',
] as const

export interface Problem {
  readonly code: (typeof PROBLEMS)[number]
  /** One sentence, without paths. */
  readonly detail: string
}

/** A channel of upstream, or the mirror, is late when it was not brought up to date for this many periods. */
const LATE_AFTER = 3

/** Checks whether a depot can answer requests. Never rejects: problems are part of the result. */
export async function checkReadiness(served: Depot): Promise<Readiness> {
  const depot: Depot = { ...served, db: served.promptDb }
  const database = await listViews(depot.db, { after: 0, limit: 1 }).then(() => 'ok', describeFailure)
  const damaged = database === 'ok' ? await countDamaged(depot.db).catch(() => 0) : 0
  const disk = await diskState(depot).catch(describeFailure)
  const storageFault = await storageFaultOf(depot)
  const aheadMs = database === 'ok' ? await commitTimeAheadMs(depot).catch(() => 0) : 0
  const moving =
    database === 'ok' && (await findState(depot.db, 'moving').catch(() => undefined)) !== undefined
  const behind = database === 'ok' ? await listBehind(depot).catch(() => []) : []
  const found: Record<Problem['code'], string | undefined> = {
    database:
      database !== 'ok'
        ? 'the database does not answer'
        : depot.damage.isSeen
          ? 'a part of the database is damaged: requests that need it fail'
          : undefined,
    node: !isBehind(depot)
      ? undefined
      : `this node cannot reach the other nodes through the database, and ${depot.config.answersStale ? 'answers from memory, which may be old' : 'refuses requests'}`,
    data_gone:
      depot.files.findGone() === undefined
        ? undefined
        : 'every change is refused: the data folder was removed or replaced while the depot ran',
    moving: moving ? 'every change is refused: the depot is being moved, or was moved' : undefined,
    disk:
      disk === 'ok'
        ? undefined
        : `uploads are refused: the disk ${disk.startsWith('full') ? 'is ' : ''}${disk}`,
    storage:
      storageFault === undefined
        ? undefined
        : `uploads and downloads fail: the storage of packages does not work (${storageFault})`,
    damaged_blobs:
      damaged === 0
        ? undefined
        : `${damaged === 1 ? 'one package is' : `${damaged} packages are`} damaged on the disk and not served: upload the same bytes again`,
    clock:
      aheadMs <= MAX_CLOCK_SKEW_MS
        ? undefined
        : `the clock is ${Math.round(aheadMs / 1_000)} seconds behind the last change: it was set back, or is wrong`,
    upstream: behind.length === 0 ? undefined : behind.join('; '),
    mirror: database === 'ok' ? await findMirrorFault(depot).catch(() => undefined) : undefined,
  }
  const problems = PROBLEMS.flatMap((code) => {
    const detail = found[code]
    return detail === undefined ? [] : [{ code, detail }]
  })
  const isReady = isBehind(depot) ? depot.config.answersStale : database === 'ok'
  return { isReady, database, disk, problems }
}

/** Returns the time by which the last commit is ahead of the clock; 0 if it is not. */
export async function commitTimeAheadMs({ db, now }: Pick<Depot, 'db' | 'now'>): Promise<number> {
  return Math.max((await findHead(db)).at - now(), 0)
}

/** Describes the channels of upstream that are not up to date, each in a sentence. */
async function listBehind(depot: Pick<Depot, 'config' | 'db' | 'now'>): Promise<string[]> {
  const refreshMs = depot.config.upstream?.refreshMs ?? 0
  const rows = new Map((await listRefreshed(depot.db)).map((row) => [formatChannel(row), row]))
  return (await adoptedChannels(depot)).flatMap((channel) => {
    const row = rows.get(formatChannel(channel))
    if (row === undefined) return [] // the first refresh follows soon after the start
    if (row.removals > 0)
      return [
        `a refresh of ${formatChannel(channel)} is held, because it would remove ${counted(row.removals, 'release')}`,
      ]
    const isLate = row.refreshedAt === undefined || depot.now() - row.refreshedAt > LATE_AFTER * refreshMs
    if (refreshMs === 0 || !isLate) return []
    return [
      row.refreshedAt === undefined
        ? `${formatChannel(channel)} was never refreshed from upstream`
        : `${formatChannel(channel)} is as upstream had it at ${new Date(row.refreshedAt).toISOString()}`,
    ]
  })
}

/** Says in a sentence that the mirror failed or is late. `undefined` before its first run. */
async function findMirrorFault({
  config,
  db,
  now,
}: Pick<Depot, 'config' | 'db' | 'now'>): Promise<string | undefined> {
  const everyMs = config.upstream?.mirror?.everyMs
  const last = everyMs === undefined ? undefined : await readLastRun(db)
  if (everyMs === undefined || last?.endedAt === undefined) return undefined
  if (last.fault !== undefined)
    return 'the last run of the mirror was not complete: hart-depot mirror --status says why'
  const isLate = everyMs > 0 && now() - last.endedAt > LATE_AFTER * everyMs
  return isLate ? `the last run of the mirror ended at ${new Date(last.endedAt).toISOString()}` : undefined
}

/** Returns why packages in S3 cannot be stored and sent now. `undefined` for packages in a folder. */
async function storageFaultOf({ config, blobs }: Depot): Promise<string | undefined> {
  return config.blobBucket && (await findServiceFault(blobs.storage))?.reason
}

async function diskState(depot: Depot): Promise<string> {
  const { config, blobs } = depot
  await access(config.dataFolder, constants.W_OK)
  if (config.blobBucket === undefined) await blobs.storage.check()
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
