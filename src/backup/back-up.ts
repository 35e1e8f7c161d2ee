import { rm, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Config } from '../config/config.ts'
import { allBlobs, countBlobs, listIdentsOf } from '../blobs/blob-store.ts'
import { storageOf } from '../blobs/open.ts'
import type { BlobStorage } from '../blobs/storage.ts'
import { sync } from '../blobs/sync.ts'
import { copyDatabase, openEngine } from '../database/engine.ts'
import type { Db } from '../database/database.ts'
import { copyRows } from '../database/row-store.ts'
import { findState } from '../database/state-store.ts'
import { holdBlobs } from '../depot/blob-hold.ts'
import type { Hold } from '../depot/blob-hold.ts'
import { recordBackup } from '../depot/last-backup.ts'
import type { HashThreads } from '../hart/hash-threads.ts'
import { findHash, findHead } from '../ledger/ledger-store.ts'
import { listSealingKeys } from '../origins/sealed-store.ts'
import { readVersion } from '../package-root.ts'
import { readQuarantine } from '../retention/quarantine-store.ts'
import { DepotError } from '../errors.ts'
import type { Backups } from './backups.ts'
import { checksumOf, writeChecksums } from './checksums.ts'
import type { ChecksumLine } from './checksums.ts'
import { copyBlobs } from './copy-blobs.ts'
import type { DamagedBlob, Manifest } from './manifest.ts'
import type { Pace } from './pace.ts'

export interface BackUpOptions {
  /** The present time in epoch milliseconds. */
  readonly at: number
  readonly hashes: HashThreads
  readonly pace?: Pace | undefined
  /** Whether the newest backup of the folder may be of another history of this depot. */
  readonly mayChangeHistory?: boolean | undefined
  /** Writes the key of stored secrets to this file. Without it, the backup has no key. */
  readonly writeSecretKey?: ((db: Db, path: string) => Promise<void>) | undefined
  /** Called when the number of packages is known, and after each. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  /** Ends the backup between two pieces of the database, or two packages. */
  readonly signal?: AbortSignal | undefined
}

export interface BackUpResult {
  readonly manifest: Omit<Manifest, 'format'>
  /** The number of packages that no earlier backup had. */
  readonly copied: number
  /** Their sizes together. */
  readonly copiedBytes: number
  /** The number of packages in the quarantine of retention, which are not in the backup. */
  readonly quarantined: number
}

/** The manifest names at most this many damaged packages. */
const NAMED_DAMAGED = 100

/**
 * Backs up a depot, whose server may be running. First copies the database as it is now, then the blobs that
 * this copy needs and the folder lacks, and writes the manifest last. Meanwhile, the depot removes no blobs.
 * A damaged blob is left out and listed, unless an earlier backup has it; blobs in the quarantine of
 * retention are left out and counted. After any error, the blobs that were copied stay for the next backup.
 * Throws `conflict` if the folder has backups of another depot, or of another history of this one that
 * `mayChangeHistory` does not allow, and `database_unavailable` if other nodes may have removed blobs because
 * the connection was lost.
 */
export async function backUp(config: Config, target: Backups, options: BackUpOptions): Promise<BackUpResult> {
  const hold = await holdBlobs(config)
  try {
    const id = await target.begin(options.at)
    try {
      return await writeBackup(id, { config, target, hold }, options)
    } catch (error) {
      await target.abandon(id)
      throw error
    }
  } finally {
    await hold.close()
  }
}

async function writeBackup(
  id: string,
  { config, target, hold }: { config: Config; target: Backups; hold: Hold },
  options: BackUpOptions,
): Promise<BackUpResult> {
  const { at, writeSecretKey } = options
  const source = await storageOf(config)
  await source.check()
  const file = target.fileOf(id, 'database')
  await copyToFile(config, file, options)
  await sync(file)
  const database = await (await openEngine({ engine: 'sqlite', file })).openReader()
  try {
    const db = database.reader
    const facts = await readFacts(db)
    const [newest] = await target.list()
    if (newest !== undefined) expectSameHistory(newest, facts, target, options)
    const { damaged, ...copied } = await copyLacking(db, source, target, options)
    if (writeSecretKey !== undefined) await writeSecretKey(db, target.fileOf(id, 'secretKey'))
    const lines = linesOf(db, target, id, damaged)
    const manifest = {
      id,
      taken_at: new Date(at).toISOString(),
      hart_depot: readVersion(),
      ...facts,
      has_secret_key: writeSecretKey !== undefined,
      packages: copied.count,
      package_bytes: copied.bytes,
      database_bytes: (await stat(file)).size,
      checksums: await writeChecksums(target.fileOf(id, 'checksums'), lines),
      damaged: [...damaged.values()].slice(0, NAMED_DAMAGED),
      damaged_in_all: damaged.size,
    }
    await hold.expectHeld()
    await target.finish(manifest)
    await recordBackup(config, at)
    const { blobs: quarantined } = await readQuarantine(db)
    return { manifest, copied: copied.copied, copiedBytes: copied.copiedBytes, quarantined }
  } finally {
    await database.close()
  }
}

/** Copies the database, as it is now, to an SQLite file. */
async function copyToFile(
  { database }: Config,
  file: string,
  { at, pace, signal }: BackUpOptions,
): Promise<void> {
  if (database.engine === 'sqlite')
    return copyDatabase(database.file, file, (bytes) => {
      pace?.takeNow(bytes)
      signal?.throwIfAborted()
    })
  const loaded = `${file}.loaded`
  const [source, copy] = [await openEngine(database), await openEngine({ engine: 'sqlite', file: loaded })]
  await source.pendingMigrations() // throws if a later version added columns, which the copy would lack
  await copy.migrate(at)
  const snapshot = await source.openSnapshot()
  try {
    await copy.load((to) => copyRows(snapshot.reader, to, () => signal?.throwIfAborted()))
  } finally {
    await snapshot.close()
  }
  await copyDatabase(loaded, file)
  await rm(loaded)
}

/**
 * Throws `conflict` if the newest backup is of another depot, or of another history of this one. Otherwise
 * the backups of a restored copy would count as the newest ones of the depot.
 */
function expectSameHistory(
  newest: Manifest,
  { depot, incarnation }: Pick<Manifest, 'depot' | 'incarnation'>,
  { place }: Backups,
  { mayChangeHistory = false }: BackUpOptions,
): void {
  if (newest.depot !== depot)
    throw new DepotError('conflict', `the backups in ${place} are of another depot: name another folder`)
  if (newest.incarnation !== incarnation && !mayChangeHistory)
    throw new DepotError(
      'conflict',
      `the newest backup in ${place} is of another history of this depot: a restore came between, or there is a restored copy. Name another folder or, if this depot is the one that goes on, give --new-history once`,
    )
}

async function readFacts(
  db: Db,
): Promise<Pick<Manifest, 'depot' | 'incarnation' | 'ledger' | 'secret_keys'>> {
  const { sequence, hash } = await findHead(db)
  return {
    depot: (await findHash(db, Math.min(sequence, 1))) ?? '',
    incarnation: (await findState(db, 'incarnation')) ?? null,
    ledger: { sequence, hash },
    secret_keys: (await listSealingKeys(db)).map(({ key }) => key),
  }
}

/**
 * Copies the blobs that the folder lacks. Returns the number and the size of all needed blobs that it has
 * afterwards (`count`, `bytes`), of those that were copied, and the damaged ones, which it still lacks.
 */
async function copyLacking(
  db: Db,
  source: BlobStorage,
  { blobs: target }: Backups,
  { hashes, pace, onProgress, signal }: BackUpOptions,
): Promise<{
  count: number
  bytes: number
  copied: number
  copiedBytes: number
  damaged: ReadonlyMap<string, DamagedBlob>
}> {
  const sums = { count: 0, bytes: 0, copied: 0, copiedBytes: 0 }
  const damaged = new Map<string, DamagedBlob>()
  const total = await countBlobs(db)
  let done = 0
  onProgress?.(done, total)
  await copyBlobs(allBlobs(db), source, target, {
    hashes,
    ...(pace && { pace: (bytes) => pace.take(bytes) }),
    signal,
    async onCopied({ checksum, sizeBytes }, { damage, wasPresent }) {
      if (damage === undefined) {
        sums.count += 1
        sums.bytes += sizeBytes
        sums.copied += wasPresent ? 0 : 1
        sums.copiedBytes += wasPresent ? 0 : sizeBytes
      } else damaged.set(checksum, { checksum, damage, idents: await listIdentsOf(db, checksum) })
      done += 1
      onProgress?.(done, total)
    },
  })
  return { ...sums, damaged }
}

/** Lists the database and the blobs of a backup, with their checksums. */
async function* linesOf(
  db: Db,
  target: Backups,
  id: string,
  damaged: ReadonlyMap<string, DamagedBlob>,
): AsyncGenerator<ChecksumLine> {
  const file = target.fileOf(id, 'database')
  yield { checksum: await checksumOf(file), path: basename(file) }
  for await (const { checksum } of allBlobs(db))
    if (!damaged.has(checksum)) yield { checksum, path: target.blobPathFrom(id, checksum) }
}
