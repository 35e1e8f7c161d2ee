import { setTimeout as pause } from 'node:timers/promises'
import type { Listener, ListenerOptions } from '../database/database.ts'
import { DepotError } from '../errors.ts'
import type { LedgerEntry } from '../ledger/entry.ts'
import { listEntries } from '../ledger/ledger-store.ts'
import { Lease, monotonic } from './lease.ts'
import type { SharedLease } from './lease.ts'
import {
  APPLIED_CHANNEL,
  findEntryHash,
  identifyServer,
  listen,
  parseNotification,
  readNodes,
  removeNode,
  renewLease,
  tellApplied,
} from './node-store.ts'
import type { LedgerEnd } from './node-store.ts'
import { Presence } from './presence.ts'
import { TIMING } from './timing.ts'
import type { Timing } from './timing.ts'

/** The ledger, as the threads of this node know it. */
export interface FollowedLedger {
  /** The last entry that was announced to all threads. */
  readonly known: LedgerEnd
  /** Announces entries to all threads. They may have been announced before. */
  announce(entries: readonly LedgerEntry[]): Promise<void>
}

/** What happens to a node, for its log. */
export type NodeEvent =
  | { readonly kind: 'serving'; readonly endedForMs: number }
  | { readonly kind: 'lease lost'; readonly reason: string }
  | { readonly kind: 'other node lost'; readonly id: string; readonly name: string }
  | { readonly kind: 'disconnected'; readonly reason: string }
  /** The database has another history than this node knows. The node no longer serves. */
  | { readonly kind: 'history lost'; readonly reason: string }

const PAGE_SIZE = 1_000
/** How long a change waits for other nodes. It waits longer than a lease only if the database is away. */
const MAX_WAIT_MS = 10_000
const RETRY_AFTER_SECONDS = 5

/** What a process says of itself. Can be sent to another thread. */
export interface NodeIdentity {
  /** A new id for each start. */
  readonly id: string
  /** What people call this node, for example its host. */
  readonly name: string
  readonly version: string
  /** Epoch milliseconds. */
  readonly startedAt: number
}

interface NodeOptions extends NodeIdentity {
  /** Connects to the server itself, not to a pooler. */
  readonly connect: (options: ListenerOptions) => Promise<Listener>
  readonly ledger: FollowedLedger
  readonly lease: SharedLease
  readonly onEvent: (event: NodeEvent) => void
  readonly timing?: Partial<Timing>
}

/**
 * This process among the nodes of one database: it renews the lease that allows this process to answer from
 * memory, follows the commits of other nodes, and knows when they have applied those of this one.
 * docs/decisions/0085 explains why no answer is older than an acknowledgement.
 */
export class ClusterNode {
  readonly #options: NodeOptions
  readonly #timing: Timing
  readonly #lease: Lease
  readonly #presence: Presence
  #listener: Listener | undefined
  #server: string | undefined
  #renewal = 0
  /** The last sequence of which this node has told others that it is applied. */
  #told = 0
  #isTelling = false
  #isServing = false
  #isHistoryLost = false
  #isReading = false
  #following: Promise<void> = Promise.resolve()
  #isReadWanted = false
  #readTimer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  readonly #closing = new AbortController()
  /** Ends the pause before the next renewal. */
  #wake = new AbortController()

  constructor(options: NodeOptions) {
    this.#options = options
    this.#timing = { ...TIMING, ...options.timing }
    this.#lease = new Lease(options.lease)
    this.#presence = new Presence(options.id, this.#timing, monotonic())
  }

  /** Joins the other nodes. Rejects if it cannot. The caller must have loaded everything else before. */
  async start(): Promise<void> {
    const listener = await this.#connect()
    await this.#renew(listener)
    this.#running = this.#run(listener)
  }

  /**
   * Resolves once every node that may answer from memory has applied a sequence that was committed before the
   * call. Rejects with `database_unavailable` if that is not known in time. A node that has not started waits
   * for nobody: it has no callers yet.
   */
  async applied(sequence: number): Promise<void> {
    if (this.#running === undefined) return
    const late = new AbortController()
    const confirmed = this.#presence.applied(sequence, monotonic())
    this.#read()
    try {
      await Promise.race([confirmed, expire(late.signal)])
    } finally {
      late.abort()
    }
  }

  /** Stops serving, and tells the other nodes that they need not wait for this one. */
  async close(): Promise<void> {
    this.#lease.end()
    this.#closing.abort()
    this.#wake.abort()
    clearTimeout(this.#readTimer)
    await this.#running
    const listener = this.#listener
    this.#listener = undefined
    if (listener === undefined) return
    await removeNode(listener, { id: this.#options.id, renewal: this.#renewal }).catch(() => undefined) // its lease ends soon
    await listener.close().catch(() => undefined)
  }

  async #run(first: Listener): Promise<void> {
    const { renewMs } = this.#timing
    let listener: Listener | undefined = first
    /** When this last began to connect. A server that accepts connections may still refuse the renewal. */
    let triedAt = -Infinity
    while (!this.#hasEnded) {
      try {
        if (listener === undefined) {
          triedAt = monotonic()
          listener = await this.#connect()
        } else await this.#pauseUntil(monotonic() + renewMs)
        if (!this.#hasEnded) await this.#renew(listener)
      } catch (error) {
        this.#noticeEnd(error)
        await this.#listener?.close().catch(() => undefined)
        this.#listener = undefined
        listener = undefined // connects again
        if (!this.#hasEnded) this.#wake = new AbortController() // the loss of a connection has aborted the former one
        await this.#pauseUntil(triedAt + renewMs)
      }
    }
  }

  get #hasEnded(): boolean {
    return this.#closing.signal.aborted || this.#isHistoryLost
  }

  /** Connects, and then listens for commits. A commit before that is found by the next read. */
  async #connect(): Promise<Listener> {
    const listener = await this.#options.connect({
      timeoutMs: this.#timing.queryMs,
      onNotification: (channel, payload) => this.#hear(channel, payload),
      onLost: (error) => {
        this.#options.onEvent({ kind: 'disconnected', reason: error.message })
        this.#wake.abort() // connects again at once
      },
    })
    try {
      await listen(listener)
      await this.#expectHistory(listener)
    } catch (error) {
      await listener.close().catch(() => undefined)
      throw error
    }
    this.#listener = listener
    return listener
  }

  /** Throws if the database has lost an entry that this node knows, or has another one in its place. */
  async #expectHistory(listener: Listener): Promise<void> {
    const server = await identifyServer(listener)
    if (server === this.#server) return
    const known = this.#options.ledger.known
    if (known.sequence > 0 && (await findEntryHash(listener, known.sequence)) !== known.hash)
      throw this.#loseHistory(`its ledger has no entry ${known.sequence} with the hash ${known.hash}`)
    if (this.#server !== undefined) this.#presence.distrust(monotonic())
    this.#server = server
  }

  /**
   * Renews the lease, then reads the end of the ledger and follows it, then serves. The order matters: if
   * this read does not find a commit, its writer finds the renewed lease, and waits for this node.
   */
  async #renew(listener: Listener): Promise<void> {
    const { name, version, startedAt, ledger } = this.#options
    const { leaseMs } = this.#timing
    const sent = monotonic()
    this.#renewal += 1
    await renewLease(listener, {
      id: this.#options.id,
      name,
      version,
      startedAt,
      leaseMs,
      renewal: this.#renewal,
      applied: ledger.known.sequence,
    })
    await this.#follow(await this.#observe(listener))
    if (this.#hasEnded) return
    const endedForMs = this.#lease.endedSince(monotonic())
    this.#lease.holdUntil(sent + leaseMs)
    if (!this.#isServing && this.#lease.isHeldAt(monotonic())) {
      this.#isServing = true
      this.#options.onEvent({ kind: 'serving', endedForMs })
    }
    if (this.#presence.hasOthers) void this.#tell()
  }

  /** Reads all nodes and the end of the ledger, and returns its sequence. */
  async #observe(listener: Listener): Promise<number> {
    const { known } = this.#options.ledger // before the read: the ledger may grow meanwhile
    const begun = monotonic()
    const { nodes, end } = await readNodes(listener)
    if (end.sequence < known.sequence)
      throw this.#loseHistory(`its ledger ends at ${end.sequence}, and this node knows ${known.sequence}`)
    const lost = this.#presence.observe(nodes, { begun, ended: monotonic() })
    this.#planRead()
    for (const { id, name, renewal } of lost) {
      this.#options.onEvent({ kind: 'other node lost', id, name })
      await removeNode(listener, { id, renewal })
    }
    return end.sequence
  }

  /** Reads the nodes, for commits that wait for them. A commit needs a read that begins after it. */
  #read(): void {
    this.#isReadWanted = true
    if (!this.#isReading) void this.#readWhileWanted()
  }

  async #readWhileWanted(): Promise<void> {
    this.#isReading = true
    while (this.#isReadWanted && this.#listener !== undefined) {
      this.#isReadWanted = false
      await this.#observe(this.#listener).catch(() => undefined) // the next renewal fails, too
    }
    this.#isReading = false // without a connection, the first renewal of the next one reads
  }

  #planRead(): void {
    clearTimeout(this.#readTimer)
    const next = this.#presence.nextRead()
    if (next === undefined || this.#closing.signal.aborted) return
    this.#readTimer = setTimeout(() => this.#read(), Math.max(1, next - monotonic()))
  }

  #hear(channel: string, payload: string): void {
    const { sequence, id } = parseNotification(payload)
    if (channel === APPLIED_CHANNEL) this.#presence.confirm(id, sequence)
    else if (id !== this.#options.id) void this.#hearOf(sequence) // the writer announces its own commits
  }

  async #hearOf(sequence: number): Promise<void> {
    await this.#follow(sequence).catch(() => undefined) // the next renewal tries again, and fails with the error
    await this.#tell()
  }

  /** Announces all entries up to a sequence. Calls take turns, so that no entry is read twice. */
  #follow(sequence: number): Promise<void> {
    const following = this.#following.then(() => this.#announce(sequence))
    this.#following = following.catch(() => undefined)
    return following
  }

  async #announce(through: number): Promise<void> {
    const { ledger } = this.#options
    while (ledger.known.sequence < through) {
      if (this.#listener === undefined) throw new Error('the connection to PostgreSQL is closed')
      const after = ledger.known.sequence
      const { entries } = await listEntries(this.#listener.db, { after, through, limit: PAGE_SIZE })
      if (entries.length === 0) return // the database lost it, which the next renewal finds
      await ledger.announce(entries)
    }
  }

  /** Tells other nodes what this one has applied, once for all entries that come meanwhile. */
  async #tell(): Promise<void> {
    if (this.#isTelling) return
    this.#isTelling = true
    try {
      for (;;) {
        const { sequence } = this.#options.ledger.known
        if (this.#listener === undefined || sequence <= this.#told) return
        await tellApplied(this.#listener, this.#options.id, sequence)
        this.#told = sequence
      }
    } catch {
      // The connection is lost. The next renewal writes the sequence to the row of this node.
    } finally {
      this.#isTelling = false
    }
  }

  #loseHistory(what: string): Error {
    this.#lease.end()
    const error = new Error(`the database lost a part of its history: ${what}`)
    if (!this.#isHistoryLost) this.#options.onEvent({ kind: 'history lost', reason: error.message })
    this.#isHistoryLost = true
    this.#wake.abort()
    return error
  }

  #noticeEnd(error: unknown): void {
    if (!this.#isServing || this.#lease.isHeldAt(monotonic())) return
    this.#isServing = false
    this.#options.onEvent({ kind: 'lease lost', reason: (error as Error).message })
  }

  async #pauseUntil(at: number): Promise<void> {
    await pause(Math.max(0, at - monotonic()), undefined, { signal: this.#wake.signal }).catch(
      () => undefined,
    )
    if (!this.#hasEnded) this.#wake = new AbortController()
  }
}

/** Rejects when a change has waited too long. Resolves if the signal aborts before that. */
async function expire(signal: AbortSignal): Promise<void> {
  try {
    await pause(MAX_WAIT_MS, undefined, { signal })
  } catch {
    return
  }
  throw new DepotError(
    'database_unavailable',
    'the change was made, but it is not known whether every node shows it, because the database cannot be reached',
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  )
}
