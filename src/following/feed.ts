import type { Db } from '../database/database.ts'
import type { Target } from '../package/target.ts'
import type { LedgerHead } from '../ledger/chain.ts'
import type { Subscriber } from '../ledger/follower.ts'
import { Deadlines } from './deadlines.ts'
import { viewOf } from '../ledger/entry.ts'
import type { LedgerEntry, LedgerEvent } from '../ledger/entry.ts'
import { findState } from '../database/state-store.ts'
import { MAX_PAGE_TEXT_BYTES, findHash, listEntries } from '../ledger/ledger-store.ts'
import type { EntryQuery, EntryPage } from '../ledger/ledger-store.ts'
import { packageOf } from '../package/ident.ts'

/** The subject of a watch. A commit examines only the watches of its topics. */
export type Topic = string

/** The topic of all entries. */
export const EVERYTHING: Topic = 'everything'

const VIEW = 'view '

/** Returns the topic of a view. */
export function viewTopic(view: string): Topic {
  return VIEW + view
}

/** Returns the topic of a package (`origin/name`) for a target, in any view. */
export function lineTopic(packageName: string, target: Target): Topic {
  return `line ${packageName} ${target}`
}

export interface WatchOptions {
  readonly topic: Topic
  /** Selects the entries that wake the watch. The default is all entries of the topic. Must not throw. */
  readonly wants?: ((entry: LedgerEntry) => boolean) | undefined
  /** An account. Entries of any topic that may reduce its rights wake the watch, too. */
  readonly account?: string | undefined
}

export interface WaitOptions extends WatchOptions {
  /** The sequence of the last entry that the caller knows. */
  readonly after: number
  /** A time of `performance.now()`. */
  readonly deadline: number
  /** The wait ends when this emits `close`, for example a response whose client disconnects. */
  readonly client: {
    once(event: 'close', listener: () => void): unknown
    off(event: 'close', listener: () => void): unknown
  }
}

/**
 * Why a wait ended: an entry was committed, the deadline has passed, the client disconnected, or the depot
 * stops.
 */
export type WakeReason = 'committed' | 'expired' | 'left' | 'closed'

interface Watch extends WatchOptions {
  readonly wake: () => void
}

/** Limits of the entries kept in memory: their number and their bytes of text. */
const MAX_CACHED_ENTRIES = 10_000
const MAX_CACHED_BYTES = 8 * 1024 * 1024
/**
 * The maximum number of watches woken in one turn of the event loop. Other requests run between turns, and
 * the request that made the change runs first.
 */
const WAKES_PER_TURN = 16

/**
 * Keeps recent ledger entries in memory and wakes the requests and streams that wait for new ones. A commit
 * only marks the watches to wake, so no promotion waits for its followers. The caches that answer requests
 * must get each commit before the feed, because a woken request reads them.
 */
export class Feed implements Subscriber {
  readonly #db: Db
  readonly #watches = new Map<Topic, Set<Watch>>()
  readonly #watchesOfAccounts = new Map<string, Set<Watch>>()
  readonly #due = new Set<Watch>()
  readonly #deadlines = new Deadlines()
  readonly #recent: LedgerEntry[] = []
  #recentBytes = 0
  #head: LedgerHead
  readonly #incarnation: string | undefined
  #isWaking = false
  #isClosed = false

  private constructor(db: Db, head: LedgerHead, incarnation: string | undefined) {
    this.#db = db
    this.#incarnation = incarnation
    this.#head = head
  }

  /** Opens a feed. The caller must pass every entry after `head` to `onCommit`, and must close the feed. */
  static async open(db: Db, head: LedgerHead): Promise<Feed> {
    return new Feed(db, head, await findState(db, 'incarnation'))
  }

  /** The last committed entry. */
  get head(): LedgerHead {
    return this.#head
  }

  /**
   * The id of the history since the depot was last restored from a copy; `undefined` if it never was. It does
   * not change while the depot runs.
   */
  get incarnation(): string | undefined {
    return this.#incarnation
  }

  /** Returns the hash of an entry, from memory if it is recent; `undefined` beyond the head. */
  async hashAt(sequence: number): Promise<string | undefined> {
    if (sequence > this.#head.sequence) return undefined
    if (sequence === this.#head.sequence) return this.#head.hash
    return (
      this.#recent[sequence - (this.#recent[0]?.sequence ?? Infinity)]?.hash ?? findHash(this.#db, sequence)
    )
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** The number of watches and timers, for metrics and for tests that look for leaks. */
  get load(): { watches: number; timers: number } {
    return {
      watches: [...this.#watches.values()].reduce((sum, { size }) => sum + size, 0),
      timers: this.#deadlines.timers,
    }
  }

  /** Like {@link listEntries}, but from memory for recent entries. */
  async entries(query: EntryQuery): Promise<EntryPage> {
    const first = this.#recent[0]?.sequence ?? this.#head.sequence + 1
    if (query.after + 1 < first) return listEntries(this.#db, query)
    const entries: LedgerEntry[] = []
    let remainingBytes = MAX_PAGE_TEXT_BYTES
    for (let at = query.after + 1 - first; at < this.#recent.length; at += 1) {
      const entry = this.#recent[at]
      if (entry === undefined || entry.sequence > query.through) break
      if (query.kinds?.includes(entry.event.kind) === false) continue
      entries.push(entry)
      remainingBytes -= Buffer.byteLength(entry.text)
      if (entries.length === query.limit || remainingBytes <= 0) return { entries, through: entry.sequence }
    }
    return { entries, through: query.through }
  }

  /**
   * Calls `wake` soon after a commit with a wanted entry, and when the feed closes. One call may stand for
   * several commits, so the caller must read on from its own position. `wake` must not throw. The returned
   * function ends the watch.
   */
  watch(options: WatchOptions, wake: () => void): () => void {
    const watch: Watch = { ...options, wake }
    const leaveTopic = join(this.#watches, watch.topic, watch)
    const leaveAccount =
      watch.account === undefined ? undefined : join(this.#watchesOfAccounts, watch.account, watch)
    return () => {
      this.#due.delete(watch)
      leaveTopic()
      leaveAccount?.()
    }
  }

  /**
   * Waits for a wanted entry. Resolves immediately if any entry was committed after `after`, wanted or not:
   * the caller must read that entry, and wait again if it is not wanted. Leaves no watch or timer behind.
   * Never rejects.
   */
  wait(options: WaitOptions): Promise<WakeReason> {
    if (this.#isClosed) return Promise.resolve('closed')
    if (this.#head.sequence > options.after) return Promise.resolve('committed')
    const { client } = options
    const { promise, resolve } = Promise.withResolvers<WakeReason>()
    const end = (why: WakeReason) => {
      unwatch()
      cancelDeadline()
      client.off('close', leave)
      resolve(why)
    }
    const leave = () => end('left')
    const unwatch = this.watch(options, () => end(this.#isClosed ? 'closed' : 'committed'))
    const cancelDeadline = this.#deadlines.add(options.deadline, () => end('expired'))
    client.once('close', leave)
    return promise
  }

  /** See {@link Subscriber.onCommit}. */
  onCommit(entries: readonly LedgerEntry[]): void {
    for (const entry of entries) {
      this.#keep(entry)
      if (this.#watches.size === 0) continue
      for (const topic of this.#topicsOf(entry.event)) {
        for (const watch of this.#watches.get(topic) ?? [])
          if (watch.wants?.(entry) !== false) this.#due.add(watch)
      }
      for (const account of this.#accountsLosingRights(entry.event))
        for (const watch of this.#watchesOfAccounts.get(account) ?? []) this.#due.add(watch)
    }
    this.#wakeSome()
  }

  /** Returns the accounts that may have fewer rights after an event. */
  #accountsLosingRights(event: LedgerEvent): Iterable<string> {
    // The members of a group are not known here.
    return event.kind === 'group-role-set' ? [...this.#watchesOfAccounts.keys()] : accountsLosingRights(event)
  }

  /** Returns the topics of an event. A freeze of every view concerns each view that is watched. */
  #topicsOf(event: LedgerEvent): Iterable<Topic> {
    if (event.kind !== 'views-frozen' && event.kind !== 'views-thawed') return topicsOf(event)
    return [...this.#watches.keys()].filter((topic) => topic === EVERYTHING || topic.startsWith(VIEW))
  }

  /** Wakes every watch now, and ends later waits at once. */
  close(): void {
    this.#isClosed = true
    for (const watches of this.#watches.values()) for (const watch of watches) watch.wake()
  }

  #keep(entry: LedgerEntry): void {
    this.#head = { sequence: entry.sequence, hash: entry.hash, at: entry.at }
    this.#recent.push(entry)
    this.#recentBytes += entry.text.length // the text is mostly ASCII
    while (this.#recent.length > MAX_CACHED_ENTRIES || this.#recentBytes > MAX_CACHED_BYTES)
      this.#recentBytes -= this.#recent.shift()?.text.length ?? 0
  }

  #wakeSome(): void {
    if (this.#isWaking || this.#due.size === 0) return
    this.#isWaking = true
    setImmediate(() => {
      this.#isWaking = false
      let remaining = WAKES_PER_TURN
      for (const watch of this.#due) {
        if ((remaining -= 1) < 0) break
        this.#due.delete(watch)
        watch.wake()
      }
      this.#wakeSome()
    })
  }
}

/** Adds a watch. The returned function removes it. */
function join<Key>(watches: Map<Key, Set<Watch>>, key: Key, watch: Watch): () => void {
  const joined = watches.get(key) ?? new Set()
  watches.set(key, joined.add(watch))
  return () => {
    joined.delete(watch)
    if (joined.size === 0 && watches.get(key) === joined) watches.delete(key)
  }
}

function accountsLosingRights(event: LedgerEvent): readonly string[] {
  if (event.kind === 'origin-transferred') return [event.from]
  const losesRights =
    event.kind === 'account-disabled' ||
    event.kind === 'token-narrowed' ||
    event.kind === 'token-revoked' ||
    event.kind === 'member-set'
  return losesRights ? [event.account] : []
}

function topicsOf(event: LedgerEvent): ReadonlySet<Topic> {
  const topics = new Set([EVERYTHING])
  const view = viewOf(event)
  if (view !== undefined) topics.add(viewTopic(view))
  if (event.kind === 'promotion') {
    for (const { ident, target } of [...event.joined, ...event.left])
      topics.add(lineTopic(packageOf(ident), target))
    for (const move of event.pointers) topics.add(lineTopic(move.package, move.target))
  }
  if (event.kind === 'visibility-set')
    for (const target of event.targets) topics.add(lineTopic(packageOf(event.ident), target))
  return topics
}
