import { dirname, extname } from 'node:path'
import type { Logger } from 'pino'
import { Authenticator } from '../accounts/authenticate.ts'
import { isBlobKept } from '../blobs/blob-store.ts'
import { ClaimsInMemory } from '../blobs/claims.ts'
import { DiskRoom } from '../blobs/disk-space.ts'
import { findServiceFault, openStorage } from '../blobs/open.ts'
import type { Blobs } from '../blobs/open.ts'
import type { BlobStorage } from '../blobs/storage.ts'
import type { handlers } from '../commands/commands.ts'
import type { Config } from '../config/config.ts'
import type { Engine } from '../database/database.ts'
import { openEngine } from '../database/engine.ts'
import { DamageSeen } from '../database/errors.ts'
import { makeFolder } from '../database/make-folder.ts'
import { OpenedFiles } from '../database/opened-files.ts'
import { findState } from '../database/state-store.ts'
import { DepotError } from '../errors.ts'
import { HashThreads } from '../hart/hash-threads.ts'
import { ArchiveScanner } from '../hart/scan.ts'
import { LedgerFollower } from '../ledger/follower.ts'
import { SecretBox } from '../origins/secret-box.ts'
import { Collector } from '../upkeep/collect.ts'
import { JudgingThread } from '../upkeep/judging.ts'
import type { JudgeReleases } from '../upkeep/judging.ts'
import { Retention } from '../upkeep/retention.ts'
import { Scrub } from '../upkeep/scrub.ts'
import { Upkeep } from '../upkeep/upkeep.ts'
import { ThreadedWriter } from '../writer/threaded-writer.ts'
import { areBlobsHeld } from './blob-hold.ts'
import type { Depot } from './depot.ts'
import { LIMITS } from './limits.ts'
import type { Limits } from './limits.ts'
import { expectRestored, lockFileOf, lockFolders } from './folders.ts'
import type { Closers } from './folders.ts'
import { logClock, logOverrides, logQuotas } from './log-subscribers.ts'
import { makeFilesPrivate } from './private-files.ts'
import { findSecretKeys, rereadSecretKeys } from './secret-key.ts'
import { readAdminToken, setUpDepot, warnOfLostPackages } from './set-up.ts'
import { SUBSCRIBERS } from './subscribers.ts'

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

// The thread's file is next to this one, in the sources and in the build.
const WRITER_THREAD = new URL(`./writer-thread${extname(import.meta.filename)}`, import.meta.url)

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
      promptDb,
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
    const authenticator = new Authenticator(promptDb, now)
    const follower = await LedgerFollower.open(promptDb, writer, SUBSCRIBERS)
    follower.subscribe('sessions', authenticator)
    follower.subscribe('overrides in the log', logOverrides(log))
    follower.subscribe('quotas in the log', logQuotas(log))
    follower.subscribe('clock in the log', logClock({ log, now }, follower.head))
    const setUp = await setUpDepot({ db, engine, writer, log, storage }, configuredToken, secretKeys)
    await warnOfLostPackages({ config, db, blobs, log })

    const files = opened.with(engine.logFiles) // the log exists since the commit of setUpDepot
    const limits = { ...LIMITS, ...options.limits }
    const damage = new DamageSeen()
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
      damage,
      db,
      promptDb,
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
          damage: damage.shared,
        }
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
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
 * Opens the database and its writer. With `inProcess`, both run in this thread; otherwise, threads read and
 * write.
 */
async function openData(
  engine: Engine,
  config: Config,
  { now = Date.now, elapsed, inProcess = false, log }: OpenOptions,
  { watched, closers }: { watched: readonly string[]; closers: Closers },
): Promise<
  Pick<Depot, 'db' | 'promptDb' | 'readInThreads' | 'writer' | 'judge' | 'joinNodes' | 'lease' | 'files'>
> {
  const openedFiles = () => OpenedFiles.of([lockFileOf(config.dataFolder), ...engine.files, ...watched])
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
    const { reader } = database
    return { db: reader, promptDb: reader, writer, judge, files, ...nothing }
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
    promptDb: reads.promptDb(),
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
