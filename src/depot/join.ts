import type { Logger } from 'pino'
import { Authenticator } from '../accounts/authenticate.ts'
import type { Claims } from '../blobs/claims.ts'
import { joinBlobs } from '../blobs/open.ts'
import { OpenedFiles } from '../database/opened-files.ts'
import { openEngine } from '../database/engine.ts'
import { DamageSeen } from '../database/errors.ts'
import type { Damage } from '../blobs/storage.ts'
import type { handlers } from '../commands/commands.ts'
import type { Depot, Share } from './depot.ts'
import { rereadSecretKeys } from './secret-key.ts'
import { SUBSCRIBERS } from './subscribers.ts'
import { LedgerFollower } from '../ledger/follower.ts'
import { HashThreads } from '../hart/hash-threads.ts'
import { ArchiveScanner } from '../hart/scan.ts'
import { SecretBox } from '../origins/secret-box.ts'
import { JudgingThread } from '../upkeep/judging.ts'
import { WriterClient } from '../writer/writer-client.ts'

/** What a thread needs to join a depot, besides the share. */
interface JoinOptions {
  readonly log: Logger
  readonly now?: () => number
  /** The claims of the thread that opened the depot. */
  readonly claims: Claims
  /** Calls {@link Scrub.examine} in the thread that opened the depot. */
  readonly examine: (checksum: string) => Promise<Damage | undefined>
  /** The name of this thread, in letters and digits. */
  readonly name: string
}

/**
 * Opens a depot that another thread has opened already. The caller closes it before the other thread closes
 * its own.
 */
export async function joinDepot(
  share: Share,
  { log, claims, examine, name, now = Date.now }: JoinOptions,
): Promise<Depot> {
  const { config, limits } = share
  const engine = await openEngine(config.database)
  const reads = engine.openReads()
  const [db, promptDb] = [reads.db(), reads.promptDb()]
  const writer = new WriterClient<typeof handlers>(share.writerPort, now)
  const judging = new JudgingThread(config.database, now)
  const scanner = new ArchiveScanner()
  const hashes = new HashThreads()
  const authenticator = new Authenticator(promptDb, now)
  const follower = await LedgerFollower.open(promptDb, writer, SUBSCRIBERS)
  follower.subscribe('sessions', authenticator)
  writer.start()
  return {
    config,
    limits,
    log,
    now,
    files: new OpenedFiles(share.files),
    engine,
    damage: new DamageSeen(share.damage),
    db,
    promptDb,
    readInThreads: () => reads.start(),
    writer,
    lease: share.lease && new (await import('../cluster/lease.ts')).Lease(share.lease),
    joinNodes: () => Promise.reject(new Error('only the thread that opened a depot can join other nodes')),
    leadership: undefined,
    follower,
    blobs: await joinBlobs(config, claims, name),
    scanner,
    hashes,
    secrets: new SecretBox(
      share.secretKeys.map((key) => Buffer.from(key)),
      rereadSecretKeys(config),
    ),
    authenticator,
    judge: judging.judge,
    examine,
    upkeep: undefined,
    isNew: false,
    newAdminToken: undefined,
    adminTokenStatus: undefined,
    isShared: false,
    share: () => Promise.reject(new Error('only the thread that opened a depot can share it')),
    async close() {
      await hashes.close()
      await scanner.close()
      await judging.close()
      await writer.close()
      await reads.close()
    },
  }
}
