import type { Logger } from 'pino'
import type { Authenticator } from '../accounts/authenticate.ts'
import type { Blobs } from '../blobs/open.ts'
import type { Damage } from '../blobs/storage.ts'
import type { Leadership } from '../cluster/leadership.ts'
import type { Lease, SharedLease } from '../cluster/lease.ts'
import type { handlers } from '../commands/commands.ts'
import type { AdminTokenStatus } from '../commands/set-up.ts'
import type { Config } from '../config/config.ts'
import type { Db, Engine } from '../database/database.ts'
import type { DamageSeen } from '../database/errors.ts'
import type { OpenedFile, OpenedFiles } from '../database/opened-files.ts'
import type { HashThreads } from '../hart/hash-threads.ts'
import type { ArchiveScanner } from '../hart/scan.ts'
import type { LedgerFollower } from '../ledger/follower.ts'
import type { SecretBox } from '../origins/secret-box.ts'
import type { JudgeReleases } from '../upkeep/judging.ts'
import type { Upkeep } from '../upkeep/upkeep.ts'
import type { WriterPort } from '../writer/writer-client.ts'
import type { AnyWriter } from '../writer/writer.ts'
import type { Limits } from './limits.ts'
import type { SubscriberName } from './subscribers.ts'

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
  readonly damage: DamageSeen
  /** For reading. Only the writer can write. */
  readonly db: Db
  /** For look-ups that must not wait for long reads: recent entries of the ledger, sessions, readiness. */
  readonly promptDb: Db
  /**
   * Makes all later reads run in threads of their own, so that polls do not wait for them. Call it
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
   * in further threads, except in that of upstream.
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
  readonly damage: SharedArrayBuffer
}
