import type { Db } from '../database/database.ts'
import { isFiltering, matchesKindAndView, matchesFilter } from '../events/entry-filter.ts'
import type { EntryFilter } from '../events/entry-filter.ts'
import type { Feed } from './feed.ts'
import type { Reader } from '../events/visibility.ts'
import { redactEntries } from '../events/visibility-store.ts'
import type { VisibleEntry } from '../events/visibility-store.ts'

export interface PageQuery {
  readonly after: number
  /** The head that the page reads up to, at most: rights that the reader lost until then must have been looked at after it was. */
  readonly head: number
  readonly limit: number
  readonly filter: EntryFilter
}

/** Every entry after what was asked, and through `through`, that the reader asks for and may see; without a filter, every entry. */
export interface VisiblePage {
  readonly entries: readonly VisibleEntry[]
  readonly through: number
}

/** What one page reads at most, whatever it finds: sequence numbers passed over, and entries looked at. {@link listEntries} bounds their text. */
const MOST_PASSED = 10_000
const MOST_LOOKED_AT = 1_000
/** Pages are shared by those who follow closely; who reads the past does so alone, and what it read is not kept. */
const FARTHEST_SHARED = 1_000
const MOST_PAGES_SHARED = 64

/** Pages of the ledger, each as its reader may see it. Those who ask the same after a commit, with the same rights, share what is read. */
export class VisiblePages {
  readonly #db: Db
  readonly #feed: Feed
  /** Of the present head. */
  readonly #pages = new Map<string, Promise<VisiblePage>>()
  #head = 0

  constructor(db: Db, feed: Feed) {
    this.#db = db
    this.#feed = feed
  }

  /** Near the head, the same page is the same object until the next commit. */
  read(asked: PageQuery, reader: Reader): Promise<VisiblePage> {
    const { sequence } = this.#feed.head
    if (sequence - asked.after > FARTHEST_SHARED) return this.#read(asked, reader)
    // What may be seen changes with commits alone.
    if (sequence !== this.#head || this.#pages.size >= MOST_PAGES_SHARED) this.#pages.clear()
    this.#head = sequence
    const key = JSON.stringify([asked, reader])
    const kept = this.#pages.get(key)
    if (kept !== undefined) return kept
    const page = this.#read(asked, reader)
    this.#pages.set(key, page)
    page.catch(() => this.#pages.delete(key))
    return page
  }

  async #read({ after, head, limit, filter }: PageQuery, reader: Reader): Promise<VisiblePage> {
    const isNarrow = isFiltering(filter)
    const through = Math.min(head, after + (isNarrow ? MOST_PASSED : limit))
    const read = await this.#feed.entries({
      after,
      through,
      limit: isNarrow ? MOST_LOOKED_AT : limit,
      ...(filter.kinds && { kinds: filter.kinds }),
    })
    const { entries } = read
    const candidates = isNarrow ? entries.filter(({ event }) => matchesKindAndView(event, filter)) : entries
    const seen = await redactEntries(this.#db, candidates, reader)
    const wanted = isNarrow
      ? seen.filter(({ content }) => content !== undefined && matchesFilter(content.event, filter))
      : seen
    const last = wanted.length > limit ? wanted[limit - 1] : undefined
    return { entries: wanted.slice(0, limit), through: last?.sequence ?? Math.max(after, read.through) }
  }
}
