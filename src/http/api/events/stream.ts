import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { Caller } from '../../../access/access.ts'
import { DepotError } from '../../../errors.ts'
import { matchesFilter } from '../../../events/entry-filter.ts'
import type { EntryFilter } from '../../../events/entry-filter.ts'
import type { VisibleEntry } from '../../../events/visibility-store.ts'
import { readerOf } from '../../../events/visibility.ts'
import { EVERYTHING } from '../../../following/feed.ts'
import type { LedgerEntry } from '../../../ledger/entry.ts'
import { formatPosition } from '../../../ledger/position.ts'
import { identifyAgain } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'
import { lifetimeMs } from '../conventions/long-poll.ts'
import { positionAt } from './pages.ts'
import { wireEntry } from './wire.ts'

// The ledger as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). The id
// of each block is the sequence number or the position. A block with only an id is no event, but clients
// remember its id and resume there. Such blocks are sent before the first event and when a filter matches
// nothing.

interface StreamOptions {
  readonly after: number
  /** The id of the place where the stream starts. */
  readonly firstId: string
  /**
   * Whether ids are positions. The default is numbers, which older clients expect, unless the depot was
   * restored from an older copy.
   */
  readonly isMarked: boolean
  readonly filter: EntryFilter
}

/**
 * The maximum number of bytes that are written before the client has read any of them. A single entry may be
 * longer.
 */
const MAX_UNREAD_BYTES = 16 * 1024
const MAX_ENTRIES_PER_STEP = 100
const RECONNECT_AFTER_MS = 2_000
/**
 * The number of heartbeats in `unreadMs`. A connection whose client reads nothing for that time is closed.
 * Heartbeats keep the depot, proxies and clients from closing a silent connection.
 */
const HEARTBEATS_PER_UNREAD = 4
/** Timers may fire slightly early. */
const MIN_TIMER_MS = 10
/** The maximum of `setTimeout`. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * All open streams of a server. They share one timer. Streams that see the same parts of an entry share its
 * text.
 */
export class EventStreams {
  readonly #context: RouteContext
  readonly #open = new Set<EventStream>()
  readonly #texts = new WeakMap<VisibleEntry, Buffer>()
  #heartbeat: NodeJS.Timeout | undefined

  constructor(context: RouteContext) {
    this.#context = context
  }

  /**
   * Opens a stream for the client of a request. The stream ends when the client leaves or closes its sending
   * side, when the token becomes invalid, or when the depot stops.
   */
  open(request: FastifyRequest, options: StreamOptions): Readable {
    const { socket } = request.raw
    const leave = () => stream.end()
    const onClose = () => {
      socket.off('end', leave)
      this.#forget(stream)
    }
    const stream = new EventStream(this.#context, request, {
      ...options,
      textOf: (entry) => this.#textOf(entry),
      onClose,
    })
    if (socket.readableEnded) leave()
    else socket.once('end', leave)
    this.#open.add(stream)
    request.isHeld = true
    this.#heartbeat ??= setInterval(
      () => this.#beat(),
      this.#context.depot.limits.unreadMs / HEARTBEATS_PER_UNREAD,
    ).unref()
    return stream
  }

  #beat(): void {
    for (const stream of this.#open) stream.beat()
  }

  #forget(stream: EventStream): void {
    this.#open.delete(stream)
    if (this.#open.size > 0) return
    clearInterval(this.#heartbeat)
    this.#heartbeat = undefined
  }

  #textOf(entry: VisibleEntry): Buffer {
    const cached = this.#texts.get(entry)
    if (cached !== undefined) return cached
    const text = Buffer.from(
      `event: ${entry.content?.event.kind ?? 'sealed'}\ndata: ${JSON.stringify(wireEntry(entry))}\n\n`,
    )
    this.#texts.set(entry, text)
    return text
  }
}

interface StreamSettings extends StreamOptions {
  /**
   * Returns the text of an event without its id. All streams that see the same parts of an entry share these
   * bytes.
   */
  readonly textOf: (entry: VisibleEntry) => Buffer
  readonly onClose: () => void
}

/**
 * Writes entries up to the head after each commit, once the client has read the earlier ones. A client that
 * reads nothing gets nothing, not even heartbeats, so that it is cut off like all clients that do not read. A
 * slow client continues from its place, from memory or the database.
 */
class EventStream extends Readable {
  readonly #context: RouteContext
  readonly #request: FastifyRequest
  readonly #settings: StreamSettings
  readonly #unwatch: () => void
  readonly #socket: Socket
  #caller: Caller
  /** The last entry that was written or filtered out. */
  #place: number
  /** The last id sent to the client. */
  #sentPlace: number
  /** Whether the client has read everything that was written. */
  #isRead = false
  /** Stops counting the pending bytes of this client. */
  #uncount: (() => void) | undefined
  #isEnded = false
  #isStepping = false
  /** Whether a wake-up arrived during a step. */
  #isDue = false
  #expiry: NodeJS.Timeout | undefined

  constructor(context: RouteContext, request: FastifyRequest, settings: StreamSettings) {
    super({ highWaterMark: MAX_UNREAD_BYTES })
    this.#context = context
    this.#request = request
    this.#caller = request.caller
    this.#socket = request.raw.socket
    this.#settings = settings
    this.#place = settings.after
    this.#sentPlace = settings.after
    const watching = {
      topic: EVERYTHING,
      wants: ({ event }: LedgerEntry) => matchesFilter(event, settings.filter),
      account: request.caller?.accountName,
    }
    this.#unwatch = context.feed.watch(watching, () => this.#step())
    this.#expectExpiry()
    this.push(`retry: ${RECONNECT_AFTER_MS}\nid: ${settings.firstId}\n\n`)
  }

  /** Writes a heartbeat, which says that the connection is alive and that nothing matched up to this id. */
  beat(): void {
    if (this.#isRead && !this.#isStepping) this.#run(() => this.#writeHeartbeat())
  }

  /** Ends the stream after the pending bytes. */
  end(): void {
    if (!this.#isEnded) this.push(null)
    this.#isEnded = true
  }

  override _read(): void {
    this.#isRead = true
    this.#uncount?.()
    this.#uncount = undefined
    if (this.#context.feed.isClosed || this.#place < this.#context.feed.head.sequence) this.#step()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#unwatch()
    clearTimeout(this.#expiry)
    this.#uncount?.()
    this.#settings.onClose()
    callback(error)
  }

  #step(): void {
    if (this.#context.feed.isClosed) this.end()
    else if (this.#isStepping) this.#isDue = true
    else this.#run(() => (this.#isRead ? this.#writeEntries() : this.#identify()))
  }

  /** Checks the token when it expires, even if nothing is committed until then. */
  #expectExpiry(): void {
    const ms = lifetimeMs(this.#caller, this.#context.depot.now())
    if (ms === Infinity) return
    this.#expiry = setTimeout(
      () => {
        this.#step()
        this.#expectExpiry()
      },
      Math.min(Math.max(ms, MIN_TIMER_MS), MAX_TIMER_MS),
    ).unref()
  }

  /** Identifies the caller again. Throws `unauthenticated` if the token is no longer valid. */
  async #identify(): Promise<void> {
    if (this.#caller !== undefined) this.#caller = await identifyAgain(this.#request, this.#context)
  }

  /**
   * Runs a step. No other step may be running. A caller who lost the right to read gets no more events, and
   * gets the reason on connecting again.
   */
  #run(act: () => Promise<void>): void {
    this.#isStepping = true
    this.#isDue = false
    act()
      .catch((error: unknown) => {
        // A client that reads sees the end of the stream; another one is cut off.
        if (error instanceof DepotError && this.#isRead) this.end()
        else if (error instanceof DepotError) this.destroy()
        else this.destroy(error instanceof Error ? error : new Error('a stream failed', { cause: error }))
      })
      .finally(() => {
        this.#isStepping = false
        // Entries that arrived meanwhile or did not fit into this step follow in the next step, after other
        // streams had their turn.
        if (!this.#isOver() && (this.#isDue || (this.#isRead && this.#hasMore())))
          setImmediate(() => this.#step())
      })
      .catch(() => undefined)
  }

  async #writeEntries(): Promise<void> {
    const { feed, pages } = this.#context
    const { filter, textOf, isMarked } = this.#settings
    const head = feed.head.sequence
    await this.#identify()
    const page = await pages.read(
      { after: this.#place, head, limit: MAX_ENTRIES_PER_STEP, filter },
      readerOf(this.#caller),
    )
    let texts: Buffer[] = []
    let bytes = 0
    const flush = () => {
      const isRead = this.#write(texts, bytes)
      texts = []
      bytes = 0
      return isRead
    }
    for (const entry of page.entries) {
      const id = Buffer.from(`id: ${isMarked ? formatPosition(entry.sequence, entry) : entry.sequence}\n`)
      const text = textOf(entry)
      if (bytes > 0 && bytes + text.length > MAX_UNREAD_BYTES && !flush()) return
      texts.push(id, text)
      bytes += id.length + text.length
      this.#place = entry.sequence
    }
    if (bytes > 0 && !flush()) return
    this.#place = page.through
  }

  async #writeHeartbeat(): Promise<void> {
    const { feed } = this.#context
    await this.#identify()
    if (this.#place < feed.head.sequence) await this.#writeEntries()
    const place = this.#place
    const id = this.#settings.isMarked ? await positionAt(place, feed) : String(place)
    if (!this.#isRead || this.#isOver()) return
    this.#isRead = this.push(this.#sentPlace < place ? `id: ${id}\n\n` : ':\n\n')
    this.#sentPlace = place
  }

  /** Writes texts. Returns whether more may be written. */
  #write(texts: readonly Buffer[], bytes: number): boolean {
    if (this.#isOver()) return false
    this.#sentPlace = this.#place
    for (const text of bytes > MAX_UNREAD_BYTES ? texts : [Buffer.concat(texts, bytes)])
      this.#isRead = this.push(text) // long texts are not copied
    if (!this.#isRead) this.#uncount ??= this.#charge()
    return this.#isRead
  }

  /**
   * Counts the most bytes that the stream and its socket can hold. A longer entry does not count, because
   * streams share it.
   */
  #charge(): (() => void) | undefined {
    const { pending } = this.#context
    const bytes = MAX_UNREAD_BYTES + this.#socket.writableHighWaterMark
    if (!(this.#socket instanceof Socket)) return undefined
    pending.makeRoom(bytes)
    return pending.charge(this.#socket, bytes)
  }

  #hasMore(): boolean {
    return this.#place < this.#context.feed.head.sequence
  }

  #isOver(): boolean {
    return this.destroyed || this.#isEnded || this.#context.feed.isClosed
  }
}
