import { existsSync } from 'node:fs'
import type { Logger } from 'pino'
import { verifyDepot } from '../audit/verify.ts'
import type { Verification } from '../audit/verify.ts'
import { copyBlob } from '../backup/copy-blob.ts'
import { allBlobs, allUnneeded, countBlobs } from '../blobs/blob-store.ts'
import { inspect, verifyBytes } from '../blobs/damage.ts'
import { openStorage, storageOf } from '../blobs/open.ts'
import type { OpenedStorage } from '../blobs/open.ts'
import type { Config } from '../config/config.ts'
import { expectMigrated, openEngine } from '../database/engine.ts'
import type { Db, Engine, Reading } from '../database/database.ts'
import { makeFolder } from '../database/make-folder.ts'
import { MOVED, findState, setState } from '../database/state-store.ts'
import { holdBlobs } from '../depot/blob-hold.ts'
import type { Hold } from '../depot/blob-hold.ts'
import { lockFolders } from '../depot/folders.ts'
import { findSecretKeys, secretKeyFileOf, writeSecretKeys } from '../depot/secret-key.ts'
import { DepotError } from '../errors.ts'
import { HashThreads } from '../hart/hash-threads.ts'
import { findHash, findHead } from '../ledger/ledger-store.ts'
import { each } from '../remote/each.ts'
import { copyRows, countRows } from '../database/row-store.ts'
import type { TableSum } from '../database/row-store.ts'

// Moves a depot to another database and another store of blobs. Most packages are copied while the depot
// still accepts changes. Then it refuses them, and the rest is copied and compared. Rows arrive in one
// transaction, so the target has all of them or none. Packages that an interrupted move has copied are not
// copied again.

/** What the move is doing. */
export type Stage = 'packages' | 'rows' | 'bytes'

export interface MoveOptions {
  readonly log: Logger
  /** The present time in epoch milliseconds. */
  readonly now: () => number
  /** Makes the source refuse changes, for the reason, or with `undefined` accept them again. */
  readonly refuseChanges: (reason: string | undefined) => Promise<void>
  /** Called with the number of steps when a stage begins, and then with the steps that were done. */
  readonly onProgress?: ((stage: Stage, steps: { total: number } | { done: number }) => void) | undefined
  /**
   * Ends the move between two packages, or two pieces of the database. The source then accepts changes again.
   */
  readonly signal?: AbortSignal | undefined
}

export interface Moved {
  /** The name of the database to which the depot has moved. */
  readonly to: string
  readonly tables: readonly TableSum[]
  readonly ledger: Verification
  /** How many packages this call copied. */
  readonly copied: number
}

/** The number of blobs that are copied at the same time. */
const PARALLEL = 16

/**
 * Moves a depot, whose server may be running, into an empty one, whose server must not be. Verifies the copy:
 * the rows of each table by their hashes, the ledger and the views, and the bytes of every package. After
 * that, the source refuses all changes. Throws `conflict` if the target has other contents, if a package of
 * the source is damaged, or if the copy differs, and `database_unavailable` if nodes of the source may have
 * removed packages because a connection was lost; then the source accepts changes again. Throws
 * `invalid_request` if both are the same database, or if the source was written by another version.
 */
export async function moveDepot(from: Config, to: Config, options: MoveOptions): Promise<Moved> {
  const [source, target] = [await openEngine(from.database), await openEngine(to.database)]
  if (source.name === target.name)
    throw new DepotError('invalid_request', `the depot is in ${source.name} already: name another database`)
  await expectMigrated(source)
  const closers: (() => Promise<unknown> | void)[] = []
  try {
    await makeFolder(to.dataFolder, 'DEPOT_DATA')
    lockFolders(to, closers)
    const blobs = await openStorage(to)
    closers.push(blobs.close)
    const hold = await holdBlobs(from)
    closers.push(() => hold.close())
    const hashes = new HashThreads()
    closers.push(() => hashes.close())
    await target.migrate(options.now())
    await copySecretKeys(from, to, source, options.log)
    return await move({ from, source, target, blobs, hold, hashes }, options)
  } finally {
    for (const close of closers.toReversed()) await close()
  }
}

interface Sides {
  readonly from: Config
  readonly source: Engine
  readonly target: Engine
  readonly blobs: OpenedStorage
  /** Keeps the blobs of the source while they are copied. */
  readonly hold: Hold
  readonly hashes: HashThreads
}

async function move(sides: Sides, options: MoveOptions): Promise<Moved> {
  const { source, target } = sides
  let copied = await reading(source.openReader(), async (db) => {
    await expectNotMoved(db)
    return copyBlobs(db, sides, options)
  })
  await options.refuseChanges(
    `it is being moved to ${target.name}. If that was interrupted, run hart-depot move again, or hart-depot move --cancel`,
  )
  try {
    copied += await reading(source.openReader(), (db) => copyBlobs(db, sides, options))
    const tables = await reading(source.openSnapshot(), (db) => copyTables(db, sides, options))
    const ledger = await verify(sides, options)
    await sides.hold.expectHeld()
    await options.refuseChanges(`${MOVED} ${target.name}`)
    return { to: target.name, tables, ledger, copied }
  } catch (error) {
    await options.refuseChanges(undefined)
    throw error
  }
}

/** Throws `conflict` if the depot was moved: the other one may have changed since. */
async function expectNotMoved(db: Db): Promise<void> {
  const reason = await findState(db, 'moving')
  if (reason?.startsWith(MOVED) === true)
    throw new DepotError(
      'conflict',
      `the depot cannot be moved again: ${reason}. If nobody uses that one, hart-depot move --cancel lets this one accept changes again`,
    )
}

/** Copies the blobs that the target lacks. Returns their number. Throws `conflict` for a damaged one. */
async function copyBlobs(
  db: Db,
  { from, blobs: target, hashes }: Sides,
  { onProgress, signal }: MoveOptions,
): Promise<number> {
  const storage = await storageOf(from)
  let copied = 0
  onProgress?.('packages', { total: await countBlobs(db) })
  await each(allBlobs(db), PARALLEL, async ({ damage: recorded, ...blob }) => {
    signal?.throwIfAborted()
    if ((await inspect(target.storage, blob)).damage !== undefined) {
      const { damage } = await copyBlob(blob, storage, target, { hashes })
      if (damage === undefined) copied += 1
      else if (recorded === undefined)
        throw new DepotError(
          'conflict',
          `${storage.placeOf(blob.checksum)} is ${damage}: hart-depot verify --repair replaces it, or the next scrub records the damage`,
        )
    }
    onProgress?.('packages', { done: 1 })
  })
  // Blobs in quarantine may be needed again. Other unneeded blobs may be gone by now.
  await each(allUnneeded(db), PARALLEL, async (blob) => {
    signal?.throwIfAborted()
    if ((await inspect(target.storage, blob)).damage !== undefined)
      copied += (await copyBlob(blob, storage, target, { hashes })).damage === undefined ? 1 : 0
  })
  return copied
}

/**
 * Replaces the rows of the target, which may be left from an interrupted move. Throws `conflict` if they
 * belong to another depot, or if a row differs after it was copied.
 */
async function copyTables(
  db: Db,
  { target }: Sides,
  { onProgress, signal }: MoveOptions,
): Promise<readonly TableSum[]> {
  const onRows = (done: number) => {
    signal?.throwIfAborted()
    onProgress?.('rows', { done })
  }
  onProgress?.('rows', { total: (await countRows(db)) * 2 })
  return target.load(async (to) => {
    const present = await findHead(to)
    if (present.sequence > 0 && (await findHash(db, present.sequence)) !== present.hash)
      throw new DepotError(
        'conflict',
        `${target.name} has another depot, or one that was changed after a move: name an empty database`,
      )
    const sums = await copyRows(db, to, onRows)
    await setState(to, 'moving', undefined)
    await setState(to, 'secret_key', undefined) // the first node that starts stores it again
    return sums
  })
}

/** Verifies the ledger, the views and the bytes of packages of the target. Throws `conflict` for a fault. */
async function verify(
  { target, blobs: { storage }, hashes }: Sides,
  { onProgress, signal }: MoveOptions,
): Promise<Verification> {
  const ledger = await reading(target.openSnapshot(), (db) => verifyDepot(db))
  const [finding] = ledger.findings
  if (finding !== undefined)
    throw new DepotError(
      'conflict',
      `the ledger and the rows differ in ${ledger.findingCount} places, first in ${finding.place}: ${finding.detail}. hart-depot verify lists them; nothing was moved`,
    )
  await reading(target.openReader(), async (db) => {
    onProgress?.('bytes', { total: await countBlobs(db) })
    await each(allBlobs(db), PARALLEL, async ({ damage: recorded, ...blob }) => {
      signal?.throwIfAborted()
      const { damage } = await verifyBytes(storage, blob, { hashes })
      if (damage !== undefined && recorded === undefined)
        throw new DepotError('conflict', `the copy ${storage.placeOf(blob.checksum)} is ${damage}: try again`)
      onProgress?.('bytes', { done: 1 })
    })
  })
  return ledger
}

/** Gives the target the keys of stored secrets, if its settings name none and it has none. */
async function copySecretKeys(from: Config, to: Config, source: Engine, log: Logger): Promise<void> {
  await reading(source.openReader(), async (db) => {
    const file = secretKeyFileOf(to)
    const isTheirs = file === undefined || file === to.secretKeyFile || existsSync(file)
    if (isTheirs) await findSecretKeys(to, db, log) // throws if a key is missing there
    else await writeSecretKeys(file, await findSecretKeys(from, db, log))
  })
}

async function reading<T>(opening: Promise<Reading>, read: (db: Db) => Promise<T>): Promise<T> {
  const opened = await opening
  try {
    return await read(opened.reader)
  } finally {
    await opened.close()
  }
}
