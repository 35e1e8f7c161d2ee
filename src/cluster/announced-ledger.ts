import type { LedgerEntry } from '../ledger/entry.ts'
import type { AnnouncementListener } from '../ledger/follower.ts'
import type { FollowedLedger } from './node.ts'
import type { LedgerEnd } from './node-store.ts'

/** The writer of this process. */
interface Announcer {
  onAnnouncement(listener: AnnouncementListener): void
  announce(entries: readonly LedgerEntry[]): Promise<void>
}

/** What a writer has announced: its own commits, and those of others that a node reads. */
export class AnnouncedLedger implements FollowedLedger {
  readonly #writer: Announcer
  #known: LedgerEnd

  /**
   * `known` is the end of the ledger when the writer was opened. Listeners that pass entries to threads must
   * be added to the writer before this object is made: what it knows, the threads know.
   */
  constructor(writer: Announcer, known: LedgerEnd) {
    this.#writer = writer
    this.#known = known
    writer.onAnnouncement(({ entries }) => {
      const last = entries.at(-1)
      if (last !== undefined && last.sequence > this.#known.sequence) this.#known = last
    })
  }

  get known(): LedgerEnd {
    return this.#known
  }

  announce(entries: readonly LedgerEntry[]): Promise<void> {
    return this.#writer.announce(entries)
  }
}
