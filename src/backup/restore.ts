import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, copyFile, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import pino from 'pino'
import type { Actor } from '../access/access.ts'
import { verifyDepot } from '../audit/verify.ts'
import type { Verification } from '../audit/verify.ts'
import { listOrphans } from '../audit/verify-blobs.ts'
import { allBlobs, countBlobs, listIdentsOf, listUnneeded } from '../blobs/blob-store.ts'
import type { UnneededBlob } from '../blobs/blob-store.ts'
import { storageOf } from '../blobs/open.ts'
import { BlobAbsent } from '../blobs/storage.ts'
import type { BlobStorage } from '../blobs/storage.ts'
import { sync } from '../blobs/sync.ts'
import type { Config } from '../config/config.ts'
import { openEngine } from '../database/engine.ts'
import { copyRows } from '../database/row-store.ts'
import { findState, setState } from '../database/state-store.ts'
import type { Db, Engine } from '../database/database.ts'
import { giveToOwner, makeFolder } from '../database/make-folder.ts'
import { openDepot } from '../depot/open.ts'
import { restoringFileOf } from '../depot/folders.ts'
import type { Depot } from '../depot/depot.ts'
import { DepotError } from '../errors.ts'
import { findHead } from '../ledger/ledger-store.ts'
import type { Backups } from './backups.ts'
import { checksumOf, readChecksums } from './checksums.ts'
import { copyBlobs } from './copy-blobs.ts'
import type { DamagedBlob, Manifest } from './manifest.ts'

// A restore fills an empty data folder. Until it is complete, the database has another name, and no server
// starts on the folder. A restore that was interrupted is run again, and copies only what is missing.

export interface RestoreOptions {
  /** The present time in epoch milliseconds. */
  readonly at: number
  readonly actor: Actor
  /** Called when the number of packages is known, and after each. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  /** Ends the restore between two packages. */
  readonly signal?: AbortSignal | undefined
}

export interface Restored {
  /** The incarnation that begins with the restore. */
  readonly incarnation: string
  readonly packages: number
  /** Packages whose bytes the backup lacks. */
  readonly missing: readonly DamagedBlob[]
  /** The number of packages that were in the quarantine of retention and cannot return. */
  readonly quarantined: number
  /** The result of comparing the ledger and the views, before the new incarnation begins. */
  readonly ledger: Verification
  /** The names of the migrations that this version added. */
  readonly migrations: readonly string[]
  /** The number of files in the data folder that no release needs. */
  readonly orphans: number
}

const ROWS_IN_A_PAGE = 100
const SECRET_KEY = 'secret.key'
/**
 * A folder with only these files counts as empty. The operator puts the key of secrets there if the backup
 * lacks it.
 */
const ALLOWED_FILES: readonly string[] = [SECRET_KEY, 'lost+found']

/**
 * Restores a backup into the empty data folder of `config`, verifies it, and begins a new incarnation. Throws
 * `conflict` if the folder is not empty, and `invalid_request` if the backup is damaged, was made by a later
 * version, or has secrets whose key is neither in the backup, nor in the folder, nor in the settings.
 */
export async function restoreBackup(
  backup: Manifest,
  from: Backups,
  config: Config,
  options: RestoreOptions,
): Promise<Restored> {
  const databaseFile = workFileOf(config)
  const database = restoringFileOf(databaseFile)
  await expectEmpty(config, options)
  const copied = await openEngine({ engine: 'sqlite', file: await from.fetch(backup.id, 'database') })
  const migrations = await copied.pendingMigrations()
  const copiesKey = needsKeyOfBackup(backup, config)
  await makeFolder(config.dataFolder, 'DEPOT_DATA')
  await makeFolder(dirname(database), 'DEPOT_DATABASE_URL')
  await copyDatabaseOf(backup, from, database)
  if (copiesKey)
    await copyDurably(await from.fetch(backup.id, 'secretKey'), join(config.dataFolder, SECRET_KEY))

  const depot = await openDepot(
    { ...config, database: { engine: 'sqlite', file: database } },
    { log: pino({ level: 'silent' }), inProcess: true, keepsBlobs: true },
  )
  let restored: Restored
  try {
    restored = { ...(await fill(depot, from, options)), migrations }
  } finally {
    await depot.close()
  }
  if (depot.engine.logFiles.some((file) => existsSync(file)))
    throw new Error(`the log of ${database} is not empty`)
  if (config.database.engine === 'sqlite') {
    await rename(database, databaseFile)
    await sync(dirname(database))
  } else await loadInto(config, database, options)
  await rm(`${database}.lock`, { force: true })
  return restored
}

/**
 * Returns the file in which the database is restored. For PostgreSQL, its rows are loaded into the server at
 * the end.
 */
function workFileOf({ database, dataFolder }: Config): string {
  return database.engine === 'sqlite' ? database.file : join(dataFolder, 'depot.sqlite')
}

/** Moves the rows of a complete file to the server, in one transaction. */
async function loadInto(config: Config, file: string, { signal }: RestoreOptions): Promise<void> {
  const [source, target] = [await openEngine({ engine: 'sqlite', file }), await openEngine(config.database)]
  const snapshot = await source.openSnapshot()
  try {
    await target.load(async (to) => {
      await expectUnused(to, target, { isRepeated: true })
      await copyRows(snapshot.reader, to, () => signal?.throwIfAborted())
      await setState(to, 'restored_head', (await findHead(to)).hash)
      await setState(to, 'secret_key', undefined) // the first node that starts stores it again
    })
  } finally {
    await snapshot.close()
  }
  await rm(file)
}

/**
 * Creates the tables in the database of a server. Throws `conflict` if there is a depot in it. With
 * `isRepeated`, a restore was interrupted before; then a depot that it loaded, and that nobody has used, may
 * be there.
 */
async function expectUnusedServer(
  { database }: Config,
  at: number,
  options: { isRepeated: boolean },
): Promise<void> {
  const engine = await openEngine(database)
  await engine.migrate(at)
  const reading = await engine.openReader()
  try {
    await expectUnused(reading.reader, engine, options)
  } finally {
    await reading.close()
  }
}

async function expectUnused(
  db: Db,
  { name }: Engine,
  { isRepeated }: { isRepeated: boolean },
): Promise<void> {
  const { sequence, hash } = await findHead(db)
  if (sequence === 0 || (isRepeated && hash === (await findState(db, 'restored_head')))) return
  throw new DepotError('conflict', `${name} is the database of a depot: restore into an empty one`)
}

/** Throws `conflict` if the folder is not empty, unless a restore into it was interrupted. */
async function expectEmpty(config: Config, { at }: RestoreOptions): Promise<void> {
  const { dataFolder } = config
  const databaseFile = workFileOf(config)
  const isRepeated = existsSync(restoringFileOf(databaseFile))
  if (config.database.engine === 'postgres') await expectUnusedServer(config, at, { isRepeated })
  if (existsSync(databaseFile))
    throw new DepotError(
      'conflict',
      `${databaseFile} is the database of a depot: restore into an empty folder`,
    )
  if (isRepeated) return
  const found = existsSync(dataFolder) ? await readdir(dataFolder) : []
  const [other] = found.filter((name) => !ALLOWED_FILES.includes(name))
  if (other !== undefined)
    throw new DepotError('conflict', `${dataFolder} has ${other} in it: restore into an empty folder`)
  for await (const { checksums } of (await storageOf(config)).list())
    if (checksums.length > 0)
      throw new DepotError('conflict', 'DEPOT_BLOBS already has packages: restore into an empty folder')
}

/**
 * Reports whether the key of secrets must be copied from the backup. Throws `invalid_request` if the key is
 * needed but is neither in the backup, nor in the folder, nor in the settings.
 */
function needsKeyOfBackup(backup: Manifest, { secretKeys, secretKeyFile, dataFolder }: Config): boolean {
  const file = join(dataFolder, SECRET_KEY)
  if (secretKeys !== undefined || secretKeyFile !== undefined || existsSync(file)) return false
  if (backup.has_secret_key) return true
  if (backup.secret_keys.length === 0) return false
  throw new DepotError(
    'invalid_request',
    `the database has secrets that are encrypted with the key ${backup.secret_keys.join(' and ')}, which the backup does not have: copy secret.key of the depot to ${file}`,
  )
}

async function copyDatabaseOf(backup: Manifest, from: Backups, to: string): Promise<void> {
  const file = await from.fetch(backup.id, 'database')
  let expected: string | undefined
  for await (const { checksum, path } of readChecksums(
    await from.fetch(backup.id, 'checksums'),
    backup.checksums,
  ))
    if (path === basename(file)) expected = checksum
  const { files, logFiles } = await openEngine({ engine: 'sqlite', file: to })
  for (const left of [...files, ...logFiles]) await rm(left, { force: true })
  await copyDurably(file, to)
  if ((await checksumOf(to)) === expected) return
  await rm(to)
  throw new DepotError('invalid_request', `${file} is damaged: take another backup`)
}

async function copyDurably(from: string, to: string): Promise<void> {
  await copyFile(from, to)
  await chmod(to, 0o600) // the folder of backups may be on a disk without modes
  giveToOwner(to)
  await sync(to)
  await sync(dirname(to))
}

/** Copies the blobs into a depot whose database is restored, verifies it, and begins a new incarnation. */
async function fill(
  depot: Depot,
  from: Backups,
  { actor, onProgress, signal }: RestoreOptions,
): Promise<Omit<Restored, 'migrations'>> {
  const { db, blobs, hashes, writer } = depot
  const missing: DamagedBlob[] = []
  const total = await countBlobs(db)
  let done = 0
  onProgress?.(done, total)
  await copyBlobs(allBlobs(db), from.blobs.storage, blobs, {
    hashes,
    signal,
    async onCopied({ checksum, damage: recorded }, { damage }) {
      if (damage !== recorded)
        await writer.submit({
          kind: 'setDamage',
          input: { checksum, ...(damage !== undefined && { damage: 'missing' as const }) },
          actor,
        })
      if (damage !== undefined) missing.push({ checksum, damage, idents: await listIdentsOf(db, checksum) })
      done += 1
      onProgress?.(done, total)
    },
  })
  const quarantined = await recordUnneededGone(depot, actor)
  const ledger = await verify(depot)
  const incarnation = randomBytes(8).toString('hex')
  await writer.submit({ kind: 'recordRestore', input: { incarnation }, actor })
  // Until `resumeCollection`, the depot removes no blobs: files that no release needs may be of releases that
  // the backup lacks.
  let orphans = 0
  for await (const { checksum } of listOrphans(db, blobs.storage)) orphans += checksum === undefined ? 0 : 1
  if (orphans === 0) await writer.submit({ kind: 'resumeCollection', input: {}, actor })
  return { incarnation, packages: done - missing.length, missing, quarantined, ledger, orphans }
}

/**
 * Records that the bytes of unneeded blobs are gone, because backups do not contain them. Returns how many of
 * these blobs were in quarantine.
 */
async function recordUnneededGone({ db, blobs, writer }: Depot, actor: Actor): Promise<number> {
  let quarantined = 0
  for (
    let page = await listUnneeded(db, { after: undefined, limit: ROWS_IN_A_PAGE });
    page.length > 0;
    page = await listUnneeded(db, { after: page.at(-1), limit: ROWS_IN_A_PAGE })
  ) {
    const gone: UnneededBlob[] = []
    for (const blob of page) if (!(await isStored(blobs.storage, blob.checksum))) gone.push(blob)
    const checksums = gone.map(({ checksum }) => checksum)
    if (gone.length > 0) await writer.submit({ kind: 'markCollected', input: { checksums }, actor })
    quarantined += gone.filter(({ quarantineMs }) => quarantineMs > 0).length
  }
  return quarantined
}

/** Reports whether the store has a blob. An earlier, interrupted restore may have left it there. */
async function isStored(storage: BlobStorage, checksum: string): Promise<boolean> {
  try {
    await storage.head(checksum)
    return true
  } catch (error) {
    if (error instanceof BlobAbsent) return false
    throw error
  }
}

async function verify({ engine }: Depot): Promise<Verification> {
  const snapshot = await engine.openSnapshot()
  try {
    return await verifyDepot(snapshot.reader)
  } finally {
    await snapshot.close()
  }
}
