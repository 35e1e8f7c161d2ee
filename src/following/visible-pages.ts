import type { Db } from '../database/database.ts'
import { isFiltering, matchesKindAndView, matchesFilter } from '../events/entry-filter.ts'
import type { EntryFilter } from '../events/entry-filter.ts'
import type { Feed } from './feed.ts'
import type { Reader } from '../events/visibility.ts'
import { redactEntries } from '../events/visibility-store.ts'
import type { VisibleEntry } from '../events/visibility-store.ts'

/** Selects a page of the ledger. `after` and `head` are sequences. */
export interface PageQuery {
  readonly after: number
  /**
   * The last entry that the page may have. The caller must read the feed's head first and then check the
   * reader's rights, so that no entry after a loss of rights is shown.
   */
  readonly head: number
  readonly limit: number
  readonly filter: EntryFilter
}

/**
 * All matching entries through `through`, as the reader sees them. With a filter, hidden entries are left
 * out.
 */
export interface VisiblePage {
  readonly entries: readonly VisibleEntry[]
  readonly through: number
}

/**
 * Limits of a filtered page: the sequence numbers that it covers, and the entries that it examines. {@link
 * listEntries} limits their text.
 */
const MAX_SEQUENCE_SPAN = 10_000
const MAX_EXAMINED_ENTRIES = 1_000
/**
 * Pages that begin at most this many entries before the head are shared. Others are read for each request.
 */
const MAX_SHARED_DISTANCE = 1_000
const MAX_SHARED_PAGES = 64

/**
 * Reads pages of the ledger as a reader sees them. Equal queries with equal rights share one read after each
 * commit.
 */
export class VisiblePages {
  readonly #db: Db
  readonly #feed: Feed
  /** Pages for the current head. */
  readonly #pages = new Map<string, Promise<VisiblePage>>()
  #head = 0

  constructor(db: Db, feed: Feed) {
    this.#db = db
    this.#feed = feed
  }

  /** Reads a page. Near the head, equal queries return the same object until the next commit. */
  read(query: PageQuery, reader: Reader): Promise<VisiblePage> {
    const { sequence } = this.#feed.head
    if (sequence - query.after > MAX_SHARED_DISTANCE) return this.#read(query, reader)
    // Visibility changes only with commits.
    if (sequence !== this.#head || this.#pages.size >= MAX_SHARED_PAGES) this.#pages.clear()
    this.#head = sequence
    const key = JSON.stringify([query, reader])
    const shared = this.#pages.get(key)
    if (shared !== undefined) return shared
    const page = this.#read(query, reader)
    this.#pages.set(key, page)
    page.catch(() => this.#pages.delete(key))
    return page
  }

  async #read({ after, head, limit, filter }: PageQuery, reader: Reader): Promise<VisiblePage> {
    const isFiltered = isFiltering(filter)
    const through = Math.min(head, after + (isFiltered ? MAX_SEQUENCE_SPAN : limit))
    const read = await this.#feed.entries({
      after,
      through,
      limit: isFiltered ? MAX_EXAMINED_ENTRIES : limit,
      ...(filter.kinds && { kinds: filter.kinds }),
    })
    const { entries } = read
    const candidates = isFiltered ? entries.filter(({ event }) => matchesKindAndView(event, filter)) : entries
    const visible = await redactEntries(this.#db, candidates, reader)
    const wanted = isFiltered
      ? visible.filter(({ content }) => content !== undefined && matchesFilter(content.event, filter))
      : visible
    const last = wanted.length > limit ? wanted[limit - 1] : undefined
    return { entries: wanted.slice(0, limit), through: last?.sequence ?? Math.max(after, read.through) }
  }
}
