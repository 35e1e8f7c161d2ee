import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns'
import { isIP } from 'node:net'
import type { Depot } from '../depot/open.ts'
import { DepotError } from '../errors.ts'
import { originsOf } from '../ledger/entry.ts'
import type { LedgerEntry } from '../ledger/entry.ts'
import { findHead } from '../ledger/ledger-store.ts'
import { AddressRules, hostOf } from '../text/address-ranges.ts'
import { DeliveryLog } from './delivery-log.ts'
import { Connections } from '../webhooks/connections.ts'
import { WebhookDelivery } from './webhook-delivery.ts'
import type { DeliveryContext, CommittedEvent } from './webhook-delivery.ts'
import { outgoing } from '../webhooks/outgoing.ts'
import type { Progress } from '../webhooks/progress.ts'
import { refusalOf, send } from '../webhooks/send.ts'
import type { Lookup, Receipt } from '../webhooks/send.ts'
import { MOST_WEBHOOKS, messageId } from '../webhooks/webhook.ts'
import type { Webhook } from '../webhooks/webhook.ts'
import { findWebhook, listWebhooks } from '../webhooks/webhook-store.ts'

/** What a test replaces. */
export interface Seams {
  readonly timeoutMs: number
  random(): number
  /** Calls `act` after so many milliseconds, unless what it returns is called before. */
  readonly after: (ms: number, act: () => void) => () => void
  readonly lookup: Lookup
}

const MOST_CONNECTIONS = 16

const SEAMS: Seams = {
  timeoutMs: 10_000,
  random: Math.random,
  after(ms, act) {
    const timer = setTimeout(act, ms).unref()
    return () => clearTimeout(timer)
  },
  // The system's own resolver, which knows its hosts file. Lookups that hang take half of the threads that files are read with, at most.
  lookup: (hostname, done) => lookup(hostname, { all: true }, done),
}

/** What requests ask of webhooks, in whatever thread they are answered. */
export interface WebhookOperations {
  /** How far a webhook is, which the database hears of a little later, and how many entries it has still to look at, without those it is sent again. */
  progressOf(webhook: Webhook): Promise<{ progress: Progress; behind: number }>
  /** Notes in the database what is known until now. Never rejects. */
  flush(): Promise<void>
  /** Sends a message that is about nothing, once and now, also to one that is paused. */
  ping(webhook: Webhook): Promise<{ id: string; receipt: Receipt }>
  /**
   * Refuses a URL whose host has addresses now, and none that may be reached: throws `invalid_request`. It is a courtesy: a name may get
   * other addresses later, and what counts is where each attempt connects to.
   */
  refuseUnreachable(url: string): Promise<void>
}

/**
 * Tells receivers what happens: a {@link WebhookDelivery} for each webhook, which begins once an entry is committed and its command answered,
 * so that no promotion waits. At least once: what was delivered and not yet noted when the process ends is delivered again, with the same id.
 */
export class Webhooks implements WebhookOperations {
  readonly #depot: Pick<Depot, 'db' | 'log' | 'secrets'>
  readonly #context: DeliveryContext
  readonly #receiptListeners: ((receipt: Receipt) => void)[] = []
  readonly #deliveries = new Map<string, WebhookDelivery>()
  readonly #ending = new Set<Promise<void>>()
  readonly #pings = new AbortController()
  #reading: Promise<void> = Promise.resolve()
  #head: number
  #isClosed = false

  private constructor(
    depot: Pick<Depot, 'db' | 'writer' | 'config' | 'log' | 'now' | 'secrets'>,
    seams: Seams,
    head: number,
  ) {
    this.#depot = depot
    this.#head = head
    this.#context = {
      db: depot.db,
      secrets: depot.secrets,
      log: depot.log,
      surroundings: { ...seams, now: depot.now, rules: new AddressRules(depot.config.webhookNetworks) },
      connections: new Connections(MOST_CONNECTIONS),
      deliveryLog: new DeliveryLog(depot.writer, depot.log, seams.after),
      head: () => this.#head,
      onReceipt: (receipt) => {
        for (const listener of this.#receiptListeners) listener(receipt)
      },
    }
  }

  /** Begins to deliver what every webhook waits for. The caller passes on each commit made from then on, and closes it before the writer. */
  static async open(
    depot: Pick<Depot, 'db' | 'writer' | 'config' | 'log' | 'now' | 'secrets'>,
    seams: Partial<Seams> = {},
  ): Promise<Webhooks> {
    const { sequence } = await findHead(depot.db)
    const opened = new Webhooks(depot, { ...SEAMS, ...seams }, sequence)
    for (const webhook of await listWebhooks(depot.db, { limit: MOST_WEBHOOKS })) opened.#start(webhook)
    return opened
  }

  /** Takes in what was committed. Never throws. */
  onCommit(entries: readonly LedgerEntry[]): void {
    this.#head = entries.at(-1)?.sequence ?? this.#head
    if (this.#isClosed) return
    for (const { event } of entries) {
      if (
        event.kind === 'webhook-added' ||
        event.kind === 'webhook-changed' ||
        event.kind === 'webhook-removed'
      )
        this.#restart(event.webhook)
    }
    if (this.#deliveries.size === 0) return
    const committed = entries.map(committedEvent)
    for (const delivery of this.#deliveries.values()) delivery.onCommit(committed)
  }

  /** Told of every attempt that came to its end. */
  onReceipt(listener: (receipt: Receipt) => void): void {
    this.#receiptListeners.push(listener)
  }

  async progressOf(webhook: Webhook): Promise<{ progress: Progress; behind: number }> {
    const delivery = this.#deliveries.get(webhook.name)
    const progress =
      delivery?.webhook.key === webhook.key && delivery.webhook.version === webhook.version
        ? delivery.progress
        : webhook.progress
    return { progress, behind: this.behind(progress) }
  }

  /** How many entries are still to be looked at, without those that are sent again. */
  behind({ position }: Progress): number {
    return Math.max(this.#head - position, 0)
  }

  /** Every webhook at work or paused, with how far it is. */
  *progresses(): Generator<{ name: string; progress: Progress }> {
    for (const [name, { progress }] of this.#deliveries) yield { name, progress }
  }

  async flush(): Promise<void> {
    for (const delivery of this.#deliveries.values()) delivery.noteProgress()
    await this.#context.deliveryLog.flush()
  }

  async ping(webhook: Webhook): Promise<{ id: string; receipt: Receipt }> {
    const { surroundings, secrets, connections } = this.#context
    const id = `${messageId(webhook.key, 0)}_ping_${randomBytes(8).toString('hex')}`
    const receipt = await connections.during(() => {
      const at = surroundings.now()
      const body = JSON.stringify({
        sequence: null,
        at: new Date(at).toISOString(),
        kind: 'ping',
        webhook: webhook.name,
      })
      return send(outgoing(webhook, { id, body, at }, secrets), surroundings, this.#pings.signal)
    })
    return { id, receipt }
  }

  async refuseUnreachable(url: string): Promise<void> {
    const { rules, lookup: look } = this.#context.surroundings
    const host = hostOf(new URL(url))
    const lookUp = () =>
      new Promise<string[]>((resolve) =>
        look(host, (error, found) => resolve(error === null ? found.map(({ address }) => address) : [])),
      )
    const addresses = isIP(host) === 0 ? await lookUp() : [host]
    if (addresses.length === 0 || addresses.some((address) => rules.allows(address))) return
    const detail = refusalOf(host, addresses)
    throw new DepotError('invalid_request', detail, { parts: [{ detail, pointer: '/url' }] })
  }

  /** Breaks off deliveries in flight, and notes how far each webhook is. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#pings.abort()
    await this.#reading
    for (const delivery of this.#deliveries.values()) this.#stop(delivery)
    await Promise.all(this.#ending)
    await this.flush()
    this.#context.deliveryLog.close()
  }

  /** Nothing more is sent as it was before, from this moment on; then, as it is now. */
  #restart(name: string): void {
    const delivery = this.#deliveries.get(name)
    if (delivery !== undefined) this.#stop(delivery)
    this.#deliveries.delete(name)
    this.#reading = this.#read(name, this.#reading)
  }

  async #read(name: string, before: Promise<void>): Promise<void> {
    try {
      await before
      const webhook = await findWebhook(this.#depot.db, name)
      if (webhook !== undefined && !this.#isClosed) this.#start(webhook)
    } catch (error) {
      this.#depot.log.error(
        { err: error, webhook: name },
        'a webhook could not be read; it rests until it is changed or the depot starts again',
      )
    }
  }

  #start(webhook: Webhook): void {
    const before = this.#deliveries.get(webhook.name) // where it was changed twice in a row
    if (before !== undefined) this.#stop(before)
    this.#deliveries.set(webhook.name, new WebhookDelivery(webhook, this.#context))
  }

  #stop(delivery: WebhookDelivery): void {
    const ended = delivery.stop().finally(() => this.#ending.delete(ended))
    this.#ending.add(ended)
  }
}

function committedEvent({ sequence, event }: LedgerEntry): CommittedEvent {
  let origins: ReadonlySet<string> | undefined
  return { sequence, event, origins: () => (origins ??= originsOf(event)) }
}
