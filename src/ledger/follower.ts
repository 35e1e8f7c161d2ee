import type { Db } from '../database/database.ts'
import type { LedgerHead } from './chain.ts'
import type { LedgerEntry } from './entry.ts'
import { findHead, listEntries } from './ledger-store.ts'

/** An announcement of committed entries. It may arrive late, twice, out of order or without its entries. */
export interface Announcement {
  readonly entries: readonly LedgerEntry[]
  /** The sequence of the last entry that is known to be committed. */
  readonly through: number
}

/**
 * Called with each announcement. A returned promise delays the answers of the commands that were committed,
 * and must not reject.
 */
export type AnnouncementListener = (announcement: Announcement) => void | Promise<void>

/** The source of announcements: the writer, or the client of a writer in another thread. */
export interface AnnouncementSource {
  onAnnouncement(listener: AnnouncementListener): void
  /** Passes on announcements that have arrived. Costs almost nothing if there are none. */
  catchUp(): void
}

/** An object in memory that changes only with the ledger, for example a cache. */
export interface Subscriber {
  /** Takes the next entries of the ledger. Each entry comes once and in order. Must not throw. */
  onCommit(entries: readonly LedgerEntry[]): void
}

const MAX_PAGE_SIZE = 1_000

/**
 * Passes the ledger on to everything that one thread holds in memory. The follower knows the last entry that
 * its subscribers have, so entries that come again are left out, and entries that were missed are read from
 * the database.
 */
export class LedgerFollower<Name extends string> {
  readonly #db: Db
  readonly #source: AnnouncementSource
  /** The names of subscribers, in the order in which they get entries. */
  readonly #order: readonly Name[]
  /** The subscribers of each name, in the same order. */
  readonly #subscribers: Subscriber[][]
  /** The last entry that the subscribers have. */
  #head: LedgerHead
  /** The sequence of the last entry that is known to be committed. */
  #announced: number
  #reading: Promise<void> | undefined

  private constructor(options: {
    db: Db
    source: AnnouncementSource
    order: readonly Name[]
    head: LedgerHead
  }) {
    this.#db = options.db
    this.#source = options.source
    this.#order = options.order
    this.#subscribers = options.order.map(() => [])
    this.#head = options.head
    this.#announced = options.head.sequence
  }

  /**
   * Follows a source from the present end of the ledger. Subscribers get entries in the order of their names
   * in `order`.
   */
  static async open<Name extends string>(
    db: Db,
    source: AnnouncementSource,
    order: readonly Name[],
  ): Promise<LedgerFollower<Name>> {
    const follower = new LedgerFollower({ db, source, order, head: await findHead(db) })
    source.onAnnouncement((announcement) => follower.#take(announcement))
    return follower
  }

  /** The last entry that the subscribers have. */
  get head(): LedgerHead {
    return this.#head
  }

  /** Adds a subscriber that has read nothing yet. */
  subscribe(name: Name, subscriber: Subscriber): void {
    this.#subscribersOf(name).push(subscriber)
  }

  /**
   * Adds the subscriber that `open` returns. `open` may read the database. The subscriber then gets every
   * entry after `head`, also those that were committed while `open` ran. `open` may have read some of these
   * entries already, so the subscriber must tolerate getting them again.
   */
  async openSubscriber<S extends Subscriber>(name: Name, open: (head: LedgerHead) => Promise<S>): Promise<S> {
    const early: LedgerEntry[] = []
    const subscribers = this.#subscribersOf(name)
    const opening: Subscriber = { onCommit: (entries) => void early.push(...entries) }
    subscribers.push(opening)
    try {
      const subscriber = await open(this.#head)
      subscriber.onCommit(early)
      subscribers[subscribers.indexOf(opening)] = subscriber
      return subscriber
    } catch (error) {
      subscribers.splice(subscribers.indexOf(opening), 1)
      throw error
    }
  }

  /**
   * Passes on every commit whose command was answered, also those of other threads. Returns a promise only if
   * entries were missed and must be read. The promise rejects if they cannot be read, and the next call tries
   * again.
   */
  catchUp(): Promise<void> | undefined {
    this.#source.catchUp()
    return this.#announced > this.#head.sequence ? this.#readMissed() : undefined
  }

  #take({ entries, through }: Announcement): Promise<void> | undefined {
    this.#announced = Math.max(this.#announced, through)
    this.#pass(entries)
    if (this.#announced <= this.#head.sequence) return undefined
    return this.#readMissed().catch(() => undefined) // the next catchUp tries again, and rejects with the error
  }

  /** Passes on the entries that follow the head without a gap. */
  #pass(entries: readonly LedgerEntry[]): void {
    const first = entries.findIndex(({ sequence }) => sequence === this.#head.sequence + 1)
    if (first === -1) return
    const gap = entries.findIndex(
      ({ sequence }, index) => index > first && sequence !== this.#head.sequence + 1 + index - first,
    )
    // Usually all entries are next, and no copy is needed.
    const next = first === 0 && gap === -1 ? entries : entries.slice(first, gap === -1 ? undefined : gap)
    const last = next.at(-1)
    if (last === undefined) return
    this.#head = { sequence: last.sequence, hash: last.hash, at: last.at }
    for (const subscribers of this.#subscribers)
      for (const subscriber of subscribers) subscriber.onCommit(next)
  }

  #readMissed(): Promise<void> {
    this.#reading ??= this.#readTo().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #readTo(): Promise<void> {
    while (this.#announced > this.#head.sequence) {
      const [after, through] = [this.#head.sequence, this.#announced]
      const { entries } = await listEntries(this.#db, { after, through, limit: MAX_PAGE_SIZE })
      this.#pass(entries)
      // The database decides: an announcement of an entry that it does not have was wrong.
      if (entries.length === 0 && this.#announced === through && this.#head.sequence === after)
        this.#announced = after
    }
  }

  #subscribersOf(name: Name): Subscriber[] {
    const subscribers = this.#subscribers[this.#order.indexOf(name)]
    if (subscribers === undefined) throw new Error(`${name} is not in the order of subscribers`)
    return subscribers
  }
}
