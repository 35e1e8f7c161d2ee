import { existsSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import type { Logger } from 'pino'
import { DEPOT_ACTOR } from '../access/access.ts'
import { Authenticator } from '../accounts/authenticate.ts'
import { generateToken, hashToken } from '../accounts/token.ts'
import { Collector } from '../upkeep/collect.ts'
import type { BlobStorage, Damage } from '../blobs/storage.ts'
import { ClaimsInMemory } from '../blobs/claims.ts'
import { DiskRoom } from '../blobs/disk-space.ts'
import { findServiceFault, openStorage } from '../blobs/open.ts'
import type { Blobs } from '../blobs/open.ts'
import { Retention } from '../upkeep/retention.ts'
import { Scrub } from '../upkeep/scrub.ts'
import { parseAdminToken } from '../config/secrets.ts'
import type { Config } from '../config/config.ts'
import { lockData, openEngine } from '../database/engine.ts'
import type { Db, Engine } from '../database/database.ts'
import type { Leadership } from '../cluster/leadership.ts'
import type { Lease, SharedLease } from '../cluster/lease.ts'
import { makeFolder } from '../database/make-folder.ts'
import { OpenedFiles } from '../database/opened-files.ts'
import type { OpenedFile } from '../database/opened-files.ts'
import { findState } from '../database/state-store.ts'
import { DepotError } from '../errors.ts'
import { LedgerFollower } from '../ledger/follower.ts'
import { HashThreads } from '../hart/hash-threads.ts'
import { ArchiveScanner } from '../hart/scan.ts'
import { SecretBox, secretKeyId } from '../origins/secret-box.ts'
import { areBlobsHeld } from './blob-hold.ts'
import { logClock, logOverrides, logQuotas } from './log-subscribers.ts'
import { SUBSCRIBERS } from './subscribers.ts'
import type { SubscriberName } from './subscribers.ts'
import { makeFilesPrivate } from './private-files.ts'
import { isBlobKept } from '../blobs/blob-store.ts'
import { readNamedFile } from '../config/secret-file.ts'
import { findSecretKeys, rereadSecretKeys } from './secret-key.ts'
import { JudgingThread } from '../upkeep/judging.ts'
import type { JudgeReleases } from '../upkeep/judging.ts'
import { Upkeep } from '../upkeep/upkeep.ts'
import { findView } from '../revisions/view-store.ts'
import { UNSTABLE } from '../views/view.ts'
import { ThreadedWriter } from '../writer/threaded-writer.ts'
import type { handlers } from '../commands/commands.ts'
import type { AdminTokenStatus } from '../commands/set-up.ts'
import type { AnyWriter } from '../writer/writer.ts'
import type { WriterPort } from '../writer/writer-client.ts'

/** The writer of a depot, in this thread or another. */
export type DepotWriter = AnyWriter<typeof handlers>

/** The open resources of one data folder, which this process has locked. */
export interface Depot {
  readonly config: Config
  readonly limits: Limits
  readonly log: Logger
  readonly now: () => number
  /** The opened files: lock, database and blob folder. */
  readonly files: OpenedFiles
  readonly engine: Engine
  /** For reading. Only the writer can write. */
  readonly db: Db
  /**
   * Makes all later reads of `db` run in threads of their own, so that polls do not wait for them. Call it
   * before the first request; see {@link Reads.start}.
   */
  readInThreads(): void
  readonly writer: DepotWriter
  /**
   * The lease under which this process may answer from memory. Absent on SQLite, which no other process
   * writes.
   */
  readonly lease: Lease | undefined
  /**
   * Takes the lease, and begins to follow other nodes. Call it when everything is loaded, before requests.
   */
  joinNodes(): Promise<void>
  /**
   * Decides which node does what only one should. Absent if no other process can work on the same depot, and
   * in further threads, which do no such work.
   */
  readonly leadership: Leadership | undefined
  /** Passes each commit to the {@link SUBSCRIBERS} of this thread. */
  readonly follower: LedgerFollower<SubscriberName>
  readonly blobs: Blobs
  readonly scanner: ArchiveScanner
  readonly hashes: HashThreads
  readonly secrets: SecretBox
  readonly authenticator: Authenticator
  /** Decides which releases retention removes. */
  readonly judge: JudgeReleases
  /** See {@link Scrub.examine}. */
  readonly examine: (checksum: string) => Promise<Damage | undefined>
  /** Background work. Only the thread that opened the depot has it. The caller starts it. */
  readonly upkeep: Upkeep | undefined
  /** Whether this call created the depot. */
  readonly isNew: boolean
  /** The administrator's token, if this call created it. It can be shown only now. */
  readonly newAdminToken: string | undefined
  /** The status of the configured administrator's token, if the depot existed before. */
  readonly adminTokenStatus: AdminTokenStatus | undefined
  /** Whether other threads can join; see {@link share}. */
  readonly isShared: boolean
  /**
   * Prepares a share with which another thread joins. Rejects in a depot that was opened `inProcess`, and in
   * one that was joined.
   */
  share(): Promise<Share>
  close(): Promise<void>
}

/** The data with which another thread joins a depot. The port is transferred to that thread. */
export interface Share {
  readonly config: Config
  readonly limits: Limits
  readonly secretKeys: readonly Uint8Array[]
  readonly files: readonly OpenedFile[]
  readonly writerPort: WriterPort
  readonly lease: SharedLease | undefined
}

/** Limits of a depot, with values that tests replace. docs/limits.md lists all limits. */
export interface Limits {
  /** How long a client may pause while it sends a body. */
  readonly uploadIdleMs: number
  /** How long a body may take, in addition to the time that its bytes need at the lowest rate. */
  readonly bodyGraceMs: number
  /** The lowest rate at which a client may send a body. */
  readonly minBodyBytesPerSecond: number
  /** How long the head of a request may take. */
  readonly headMs: number
  /** How long a client may pause while it reads its answer. */
  readonly unreadMs: number
  /** The maximum number of bytes of answers that wait in memory for clients, in the whole depot. */
  readonly pendingBytes: number
  /**
   * The maximum number of connections of one thread. By default, the process's limit of open files decides.
   */
  readonly maxConnections?: number
  /**
   * The maximum number of bytes of request bodies in memory, in the whole depot, not counting packages, which
   * are streamed.
   */
  readonly bodyBytes: number
  /** How long a client may read slowly before it is disconnected to make room for others. */
  readonly slowAfterMs: number
  /** How many wrong tokens an address may send at once, and in each minute after that. */
  readonly wrongTokensPerMinute: number
  /** How long a file must be unneeded before it is removed. */
  readonly orphanGraceMs: number
  /** How long an upload's file may stay unchanged before it counts as abandoned and is removed. */
  readonly spoolGraceMs: number
}

interface OpenOptions {
  readonly log: Logger
  readonly now?: () => number
  readonly limits?: Partial<Limits>
  /**
   * Reads and writes in the calling thread, without threads of their own. For commands that run for a short
   * time, and for tests that need every step in order.
   */
  readonly inProcess?: boolean
  /** Keeps blobs that no release needs, for `hart-depot restored`, which adopts or discards them. */
  readonly keepsBlobs?: boolean
  /** The clock that measures how long commands take, in milliseconds, for a depot without threads. */
  readonly elapsed?: (() => number) | undefined
}

/** Functions that release what was opened, in the order in which it was opened. */
type Closers = (() => Promise<unknown> | void)[]

const LOCK = 'lock.sqlite'
// The thread's file is next to this one, in the sources and in the build.
const WRITER_THREAD = new URL(`./writer-thread${extname(import.meta.filename)}`, import.meta.url)

const LIMITS: Limits = {
  uploadIdleMs: 60_000,
  bodyGraceMs: 30_000,
  minBodyBytesPerSecond: 1_024,
  headMs: 60_000,
  unreadMs: 60_000,
  pendingBytes: 256 * 1024 * 1024,
  bodyBytes: 128 * 1024 * 1024,
  slowAfterMs: 10_000,
  wrongTokensPerMinute: 20,
  orphanGraceMs: 60 * 60_000,
  spoolGraceMs: 60 * 60_000,
}

/**
 * Opens the depot of a data folder, and creates what is missing. Throws `data_in_use` if another process
 * holds the folder, `invalid_request` if a folder, a configured secret or the version of the database cannot
 * be used, and `conflict` if a restore into the data folder was interrupted. The caller closes the depot.
 * `close` still commits queued commands.
 */
export async function openDepot(config: Config, options: OpenOptions): Promise<Depot> {
  const { log, now = Date.now } = options
  const configuredToken = await readAdminToken(config, log)
  await makeFolder(config.dataFolder, 'DEPOT_DATA')
  if (config.database.engine === 'sqlite')
    await makeFolder(dirname(config.database.file), 'DEPOT_DATABASE_URL')
  await makeFilesPrivate(config)
  const closers: Closers = []
  const close = async () => {
    for (const closer of closers.splice(0).toReversed()) await closer()
  }
  try {
    lockFolders(config, closers)
    expectRestored(config)
    const { storage, spool, watched, close: closeStorage } = await openStorage(config)
    closers.push(closeStorage)
    if (options.inProcess !== true) await expectStorage(storage, log)
    const engine = await openEngine(config.database)
    const {
      db,
      readInThreads,
      writer,
      judge,
      lease,
      joinNodes,
      files: opened,
    } = await openData(engine, config, options, { watched, closers })
    const secretKeys = await findSecretKeys(config, db, log)
    const keepsOrphans = async () =>
      options.keepsBlobs === true || (await findState(db, 'orphans_kept_since')) !== undefined
    if (await keepsOrphans())
      log.warn(
        'the depot was restored from an older copy, so files that no release needs are kept: hart-depot restored --list shows them',
      )
    const keepsBlobs = async () => (await areBlobsHeld(config, db)) || keepsOrphans()
    const blobLocks = engine.isWrittenByOneProcess ? undefined : (await loadNode()).openBlobLocks(engine)
    closers.push(() => blobLocks?.close())
    const claims = new ClaimsInMemory(
      storage,
      async (checksum) => (await isBlobKept(db, checksum, now())) || keepsBlobs(),
      blobLocks && {
        share: (checksum) => blobLocks.share(checksum),
        unshare: (checksum) => blobLocks.unshare(checksum),
        ifFree: (checksum, act) => blobLocks.ifFree(checksum, act),
        onDoubt: (checksum) =>
          void upkeep.scrub
            .examine(checksum)
            .catch((error: unknown) =>
              log.error({ err: error, checksum }, 'a package could not be examined'),
            ),
      },
    )
    const blobs = { storage, spool, room: new DiskRoom({ config, blobs: { spool } }), claims }
    const scanner = new ArchiveScanner()
    closers.push(() => scanner.close())
    const hashes = new HashThreads()
    closers.push(() => hashes.close())
    const authenticator = new Authenticator(db, now)
    const follower = await LedgerFollower.open(db, writer, SUBSCRIBERS)
    follower.subscribe('sessions', authenticator)
    follower.subscribe('overrides in the log', logOverrides(log))
    follower.subscribe('quotas in the log', logQuotas(log))
    follower.subscribe('clock in the log', logClock({ log, now }, follower.head))
    const setUp = await setUpDepot({ db, engine, writer, log }, configuredToken, secretKeys)

    const files = opened.with(engine.logFiles) // the log exists since the commit of setUpDepot
    const limits = { ...LIMITS, ...options.limits }
    const leadership = lease && (await loadNode()).openLeadership(engine, log)
    closers.push(() => leadership?.close())
    const upkeep = makeUpkeep(
      { leadership, config, limits, db, judge, blobs, hashes, writer, files, log, now },
      keepsBlobs,
    )
    closers.push(() => upkeep.close())
    return {
      config,
      limits,
      log,
      now,
      files,
      engine,
      db,
      readInThreads,
      writer,
      lease,
      leadership,
      joinNodes,
      follower,
      blobs,
      scanner,
      hashes,
      secrets: new SecretBox(secretKeys, rereadSecretKeys(config)),
      authenticator,
      judge,
      examine: (checksum) => upkeep.scrub.examine(checksum),
      upkeep,
      ...setUp,
      isShared: writer instanceof ThreadedWriter,
      async share() {
        if (!(writer instanceof ThreadedWriter))
          throw new Error('a depot that was opened in process cannot be shared')
        return {
          config,
          limits,
          secretKeys,
          files: files.files,
          writerPort: await writer.join(),
          lease: lease?.shared,
        }
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Returns the name that the database has while a backup is restored. */
export function restoringFileOf(databaseFile: string): string {
  return `${databaseFile}.restoring`
}

/** Throws `conflict` if a restore into the data folder was interrupted: its packages are not complete. */
function expectRestored({ dataFolder, database }: Config): void {
  if (database.engine === 'sqlite' && existsSync(restoringFileOf(database.file)))
    throw new DepotError(
      'conflict',
      `a backup was not completely restored into ${dataFolder}: run hart-depot restore again, or empty the folder`,
    )
}

/**
 * Locks the data folder. Locks the database, too, if it is in another folder, because another data folder may
 * name the same database.
 */
export function lockFolders({ dataFolder, database }: Config, closers: Closers): void {
  const files = [join(dataFolder, LOCK)]
  if (database.engine === 'sqlite' && dirname(database.file) !== dataFolder)
    files.push(`${database.file}.lock`)
  for (const file of files) {
    const lock = lockData(file)
    closers.push(() => lock.close())
  }
}

/** Logs that packages cannot be read and stored now. Throws `invalid_request` if the settings are why. */
async function expectStorage(storage: BlobStorage, log: Logger): Promise<void> {
  const { reason, isMisconfigured } = (await findServiceFault(storage)) ?? {}
  if (isMisconfigured === true)
    throw new DepotError('invalid_request', `DEPOT_BLOBS cannot be used: ${reason}`)
  if (reason !== undefined)
    log.error({ reason }, 'the storage of packages cannot be used now: the depot answers everything else')
}

/**
 * Creates what a new depot needs, and adds the administrator's token: the configured one, or for a new depot
 * without one a generated token.
 */
async function setUpDepot(
  { db, engine, writer, log }: Pick<Depot, 'db' | 'engine' | 'writer' | 'log'>,
  configuredToken: string | undefined,
  secretKeys: readonly Buffer[],
): Promise<Pick<Depot, 'isNew' | 'newAdminToken' | 'adminTokenStatus'>> {
  const wasEmpty = (await findView(db, UNSTABLE)) === undefined
  const generated = wasEmpty && configuredToken === undefined ? generateToken() : undefined
  const token = generated ?? configuredToken
  const status = await writer.submit({
    kind: 'setUp',
    input: {
      adminTokenHash: token === undefined ? undefined : hashToken(token),
      ...(generated !== undefined && { isGenerated: true }),
      ...(!engine.isWrittenByOneProcess && { secretKeys: secretKeys.map(secretKeyId) }),
    },
    actor: DEPOT_ACTOR,
  })
  // Another node may have created the depot meanwhile.
  const isNew = wasEmpty && status === 'added'
  if (!isNew && status === 'added')
    log.warn('the administrator can now also use the token of DEPOT_ADMIN_TOKEN; earlier tokens stay valid')
  if (status === 'revoked') log.warn('the token of DEPOT_ADMIN_TOKEN was revoked and is not valid')
  if (status === 'disabled')
    log.warn('the token of DEPOT_ADMIN_TOKEN was not added, because the account admin is disabled')
  return {
    isNew,
    newAdminToken: isNew ? generated : undefined,
    adminTokenStatus: isNew ? undefined : status,
  }
}

/**
 * Opens the database and its writer. With `inProcess`, both run in this thread; otherwise, threads read and
 * write.
 */
async function openData(
  engine: Engine,
  config: Config,
  { now = Date.now, elapsed, inProcess = false, log }: OpenOptions,
  { watched, closers }: { watched: readonly string[]; closers: Closers },
): Promise<Pick<Depot, 'db' | 'readInThreads' | 'writer' | 'judge' | 'joinNodes' | 'lease' | 'files'>> {
  const openedFiles = () => OpenedFiles.of([join(config.dataFolder, LOCK), ...engine.files, ...watched])
  if (inProcess) {
    // A depot with threads does not need them in this one.
    const [{ commandTable }, { Writer }, { judgePage }] = await Promise.all([
      import('../commands/command-table.ts'),
      import('../writer/writer.ts'),
      import('../upkeep/judge-page.ts'),
    ])
    const database = await engine.open(now())
    closers.push(() => database.close())
    const files = openedFiles()
    const filesAndLog = files.with(engine.logFiles)
    const writer = await Writer.open(database.writable, commandTable, {
      now,
      ...(elapsed !== undefined && { elapsed }),
      openSnapshot: () => engine.openSnapshot({ refusesWrites: true }),
      beforeCommit: () => filesAndLog.expectPresent(),
      ...(database.notify && { notify: database.notify }),
    })
    closers.push(() => writer.close())
    const judge: JudgeReleases = (part, { onlySettled = false } = {}) =>
      judgePage(database.reader, part, { now: now(), onlySettled })
    const nothing = { readInThreads: () => undefined, joinNodes: async () => undefined, lease: undefined }
    return { db: database.reader, writer, judge, files, ...nothing }
  }
  await engine.migrate(now())
  const files = openedFiles()
  const reads = engine.openReads()
  closers.push(() => reads.close())
  const node = engine.isWrittenByOneProcess ? undefined : (await loadNode()).makeNode(config, { log, now })
  const writer = new ThreadedWriter<typeof handlers>(WRITER_THREAD, {
    database: config.database,
    files: files.files,
    now,
    node,
  })
  closers.push(() => writer.close())
  const judging = new JudgingThread(config.database, now)
  closers.push(() => judging.close())
  return {
    db: reads.db(),
    readInThreads: () => reads.start(),
    writer,
    judge: judging.judge,
    joinNodes: async () => (node === undefined ? undefined : writer.joinNodes()),
    lease: node?.lease,
    files,
  }
}

/** Loads what only depots with several nodes need. */
const loadNode = async () => import('./node.ts')

/** Makes the background work of a depot, which collects no files while it keeps unneeded blobs. */
function makeUpkeep(
  depot: Pick<
    Depot,
    'leadership' | 'config' | 'limits' | 'db' | 'judge' | 'hashes' | 'writer' | 'files' | 'log' | 'now'
  > & {
    readonly blobs: Blobs & { readonly claims: ClaimsInMemory }
  },
  keepsBlobs: () => Promise<boolean>,
): Upkeep {
  const { leadership, config, limits, db, judge, blobs, hashes, writer, files, log, now } = depot
  const scrub = new Scrub({ db, blobs, hashes, writer, log, now, bytesPerS: config.scrubBytesPerS })
  const collector = new Collector({
    db,
    blobs,
    writer,
    log,
    now,
    isOff: keepsBlobs,
    graceMs: limits.orphanGraceMs,
    spoolGraceMs: limits.spoolGraceMs,
  })
  const retention = new Retention({ db, judge, writer, log, now, quarantineMs: config.quarantineMs })
  return new Upkeep({ leadership, files, log, scrub, collector, retention })
}

/** Reads the configured administrator's token. Throws `invalid_request`. */
async function readAdminToken(
  { adminToken, adminTokenFile: file }: Config,
  log: Logger,
): Promise<string | undefined> {
  if (file === undefined) return adminToken
  return parseAdminToken(await readNamedFile(file, 'DEPOT_ADMIN_TOKEN_FILE', log), file)
}
