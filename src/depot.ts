import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Logger } from 'pino'
import { Authenticator } from './accounts/authenticate.ts'
import { generateToken, hashToken } from './accounts/token.ts'
import { FilesystemBlobs } from './blobs/filesystem.ts'
import type { Config } from './config.ts'
import { migrateDatabase, openDatabase } from './database/database.ts'
import type { Db } from './database/database.ts'
import { ReadingThreads } from './database/reading-threads.ts'
import { lockData } from './database/lock.ts'
import { DepotError } from './errors.ts'
import type { LedgerEntry } from './ledger/entry.ts'
import { HashThreads } from './hart/hash-threads.ts'
import { ArchiveScanner } from './hart/scan.ts'
import { SecretBox } from './origins/secret-box.ts'
import { isBlobReferenced, listUnneededBlobs } from './releases/release-store.ts'
import { findView } from './views/view-store.ts'
import { UNSTABLE } from './views/view.ts'
import { ThreadedWriter } from './writer/threaded-writer.ts'
import { Writer } from './writer/writer.ts'
import type { DepotWriter } from './writer/writer.ts'
import type { Seat } from './writer/writer-client.ts'

/** The opened resources of one data directory, which no other process holds meanwhile. */
export interface Depot {
  readonly config: Config
  readonly limits: Limits
  readonly log: Logger
  readonly now: () => number
  /** For reading. */
  readonly db: Db
  readonly writer: DepotWriter
  readonly blobs: FilesystemBlobs
  readonly scanner: ArchiveScanner
  readonly hashes: HashThreads
  readonly secrets: SecretBox
  readonly authenticator: Authenticator
  /** Whether this opening made the depot. */
  readonly isNew: boolean
  /** The administrator's token, when this opening made it: to be shown once. */
  readonly madeToken: string | undefined
  /** What another thread joins by. Rejects where reads and writes have no threads of their own. */
  share(): Promise<Share>
  close(): Promise<void>
}

/** What a thread is handed that takes part in a depot. The port of the seat is moved to it. */
export interface Share {
  readonly config: Config
  readonly limits: Limits
  readonly secretKey: Uint8Array
  readonly seat: Seat
}

export interface Limits {
  /** How long a client may send nothing of a body. */
  readonly uploadIdleMs: number
  /** How long a client may take nothing of its answer. */
  readonly unreadMs: number
}

interface World {
  readonly log: Logger
  readonly now?: () => number
  readonly limits?: Partial<Limits>
  /** Reads and writes without threads of their own: for what is over before they would have started, and where each step must come in its order. */
  readonly isAlone?: boolean
}

const LIMITS: Limits = { uploadIdleMs: 60_000, unreadMs: 60_000 }

/**
 * Opens a data directory, making what is not there yet. Throws `data_in_use` when another process holds it. The caller closes
 * the depot; commands that are queued then are still committed.
 */
export async function openDepot(config: Config, world: World): Promise<Depot> {
  const { log, now = Date.now } = world
  await mkdir(config.dataFolder, { recursive: true, mode: 0o700 })
  const closers: (() => Promise<unknown> | void)[] = []
  const hold = (file: string) => {
    const lock = lockData(file)
    closers.push(() => lock.close())
  }
  hold(join(config.dataFolder, 'lock.sqlite'))
  const close = async () => {
    for (const closer of closers.splice(0).toReversed()) await closer()
  }
  try {
    await mkdir(dirname(config.databaseFile), { recursive: true })
    await mkdir(config.blobFolder, { recursive: true })
    // What lies elsewhere may be that of another data directory, too.
    if (dirname(config.databaseFile) !== config.dataFolder) hold(`${config.databaseFile}.lock`)
    if (dirname(config.blobFolder) !== config.dataFolder) hold(join(config.blobFolder, 'lock.sqlite'))
    const secretKey = config.secretKey ?? (await readSecretKey(join(config.dataFolder, 'secret.key')))
    const secrets = new SecretBox(secretKey)
    const { db, writer } = await openData(config.databaseFile, { now, isAlone: world.isAlone === true, closers })
    const blobs = await FilesystemBlobs.open(config.blobFolder, (checksum) => isBlobReferenced(db, checksum))
    for (const checksum of await listUnneededBlobs(db)) await blobs.forget(checksum)
    const scanner = new ArchiveScanner()
    closers.push(() => scanner.close())
    const hashes = new HashThreads()
    closers.push(() => hashes.close())
    const authenticator = new Authenticator(db, now)
    writer.onCommit((entries) => authenticator.onCommit(entries))
    writer.onCommit((entries) => warnOfOverrides(log, entries))

    const isNew = (await findView(db, UNSTABLE)) === undefined
    const madeToken = isNew && config.adminToken === undefined ? generateToken() : undefined
    const token = madeToken ?? config.adminToken
    const adminTokenHash = token === undefined ? undefined : hashToken(token)
    await writer.submit({ kind: 'setUp', input: { adminTokenHash }, actor: { client: 'hart-depot', door: 'depot' } })

    const limits = { ...LIMITS, ...world.limits }
    const share = async (): Promise<Share> => {
      if (!(writer instanceof ThreadedWriter)) throw new Error('a depot without threads of its own is not shared')
      return { config, limits, secretKey, seat: await writer.join() }
    }
    return { config, limits, log, now, db, writer, blobs, scanner, hashes, secrets, authenticator, isNew, madeToken, share, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function openData(file: string, { now, isAlone, closers }: { now: () => number; isAlone: boolean; closers: (() => Promise<unknown> | void)[] }): Promise<{ db: Db; writer: DepotWriter }> {
  if (isAlone) {
    const database = openDatabase(file, now())
    closers.push(() => database.close())
    const writer = await Writer.open(database.writable, now)
    closers.push(() => writer.close())
    return { db: database.reader, writer }
  }
  migrateDatabase(file, now())
  const threads = new ReadingThreads(file)
  closers.push(() => threads.close())
  const writer = new ThreadedWriter(file, now)
  closers.push(() => writer.close())
  return { db: threads.db(), writer }
}

/** Who breaks the glass is heard. */
function warnOfOverrides(log: Logger, entries: readonly LedgerEntry[]): void {
  for (const { sequence, event } of entries) {
    if (event.kind !== 'promotion' || event.override === undefined) continue
    log.warn({ sequence, view: event.view, revision: event.revision, ...event.override }, 'rules of a view were overridden')
  }
}

/** The key in a file of 64 hex characters that only its owner reads; made when it is not there, whole or not at all. */
async function readSecretKey(path: string): Promise<Buffer> {
  try {
    const key = Buffer.from((await readFile(path, 'utf8')).trim(), 'hex')
    if (key.length !== 32) throw new DepotError('invalid_request', `${path} does not hold 64 hex characters: put the depot's secret key back there`)
    return key
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    const key = randomBytes(32)
    await rm(`${path}.new`, { force: true })
    await writeFile(`${path}.new`, `${key.toString('hex')}\n`, { mode: 0o600, flag: 'wx', flush: true })
    await chmod(`${path}.new`, 0o600)
    await rename(`${path}.new`, path)
    return key
  }
}
