import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { lookup } from 'node:dns'
import { isIP } from 'node:net'
import type { StopLeading } from '../cluster/leadership.ts'
import type { Depot } from '../depot/depot.ts'
import { DepotError } from '../errors.ts'
import { originsOf } from '../ledger/entry.ts'
import type { Subscriber } from '../ledger/follower.ts'
import type { LedgerEntry } from '../ledger/entry.ts'
import { findHead } from '../ledger/ledger-store.ts'
import { forbiddenAddress } from '../guarded-lookup.ts'
import type { Lookup } from '../guarded-lookup.ts'
import { AddressPolicy, hostOf } from '../text/address-ranges.ts'
import { DeliveryLog } from './delivery-log.ts'
import { ConcurrencyLimit } from '../threads/concurrency-limit.ts'
import { attempt, WebhookDelivery } from './webhook-delivery.ts'
import type { DeliveryContext, CommittedEvent } from './webhook-delivery.ts'
import type { Progress } from '../webhooks/progress.ts'
import { WEBHOOK_NETWORKS } from '../webhooks/send.ts'
import type { Receipt } from '../webhooks/send.ts'
import { MAX_WEBHOOKS, messageId } from '../webhooks/webhook.ts'
import type { Webhook } from '../webhooks/webhook.ts'
import { findWebhook, listWebhooks } from '../webhooks/webhook-store.ts'

/** Parts of webhook delivery that tests replace. */
export interface DeliveryOptions {
  readonly timeoutMs: number
  random(): number
  /** Calls `act` after `ms` milliseconds. The returned function cancels the call. */
  readonly after: (ms: number, act: () => void) => () => void
  readonly lookup: Lookup
}

const MAX_CONNECTIONS = 16

const DEFAULTS: DeliveryOptions = {
  timeoutMs: 10_000,
  random: Math.random,
  after(ms, act) {
    const timer = setTimeout(act, ms).unref()
    return () => clearTimeout(timer)
  },
  // The resolver of the system, which reads the hosts file. Lookups that hang occupy at most half of the
  // libuv threads.
  lookup: (hostname, done) => lookup(hostname, { all: true }, done),
}

/** Webhook operations that requests need. Every thread has them. */
export interface WebhookOperations {
  /**
   * Returns the current progress, which may be newer than the database row, and the number of ledger entries
   * after its position. Replays do not count.
   */
  progressOf(webhook: Webhook): Promise<{ progress: Progress; behind: number }>
  /** Stores all progress in the database. Never rejects. */
  flush(): Promise<void>
  /**
   * Sends one test message immediately, also to a paused webhook. Rejects if the URL or a secret was
   * encrypted with another secret key of the depot.
   */
  ping(webhook: Webhook): Promise<{ id: string; receipt: Receipt }>
  /**
   * Rejects with `invalid_request` if the host of the URL has addresses and the depot may connect to none of
   * them. This is only an early warning: each attempt checks the address to which it connects.
   */
  expectReachable(url: string): Promise<void>
}

/**
 * Delivers ledger entries to all webhooks, with a {@link WebhookDelivery} for each. A delivery begins after
 * the commit was answered, so no promotion waits for it. Each entry is delivered at least once: after a
 * crash, deliveries that were not stored are repeated with the same id.
 */
export class Webhooks implements WebhookOperations, Subscriber {
  readonly #depot: Pick<Depot, 'db' | 'log' | 'secrets'>
  readonly #context: DeliveryContext
  readonly #receiptListeners: ((receipt: Receipt) => void)[] = []
  readonly #deliveries = new Map<string, WebhookDelivery>()
  /** Stopped deliveries that have not ended yet. */
  readonly #ending = new Set<Promise<void>>()
  /** Aborts test messages. */
  readonly #pings = new AbortController()
  /** The last read of webhooks: of all, or of a changed one. Reads run one after the other. */
  #reading: Promise<void> = Promise.resolve()
  #head: number
  /** Whether this process delivers: one of all nodes does. */
  #isDelivering = false
  #stopLeading: StopLeading | undefined
  #isClosed = false

  private constructor(
    depot: Pick<Depot, 'db' | 'writer' | 'config' | 'log' | 'now' | 'secrets'>,
    options: DeliveryOptions,
    head: number,
  ) {
    this.#depot = depot
    this.#head = head
    this.#context = {
      db: depot.db,
      secrets: depot.secrets,
      log: depot.log,
      sendOptions: {
        ...options,
        now: depot.now,
        addressPolicy: new AddressPolicy(depot.config.webhookNetworks),
      },
      connections: new ConcurrencyLimit(MAX_CONNECTIONS),
      deliveryLog: new DeliveryLog(depot.writer, depot.log, options.after),
      head: () => this.#head,
      onReceipt: (receipt) => {
        for (const listener of this.#receiptListeners) listener(receipt)
      },
    }
  }

  /**
   * Starts all deliveries. The caller must pass every later entry to `onCommit`, and close the webhooks
   * before the writer.
   */
  static async open(
    depot: Pick<Depot, 'db' | 'writer' | 'config' | 'log' | 'now' | 'secrets' | 'leadership'>,
    options: Partial<DeliveryOptions> = {},
  ): Promise<Webhooks> {
    const { sequence } = await findHead(depot.db)
    const opened = new Webhooks(depot, { ...DEFAULTS, ...options }, sequence)
    const { leadership } = depot
    if (leadership === undefined) await opened.#startAll()
    else
      opened.#stopLeading = leadership.whileLeading('webhooks', async (signal) => {
        try {
          await opened.#startAll()
          if (!signal.aborted) await once(signal, 'abort')
        } finally {
          await opened.#stopAll()
        }
      })
    return opened
  }

  /** See {@link Subscriber.onCommit}. */
  onCommit(entries: readonly LedgerEntry[]): void {
    this.#head = Math.max(this.#head, entries.at(-1)?.sequence ?? 0)
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

  /** Calls `listener` after every attempt. */
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

  /** Returns the number of ledger entries after a position. Replays do not count. */
  behind({ position }: Progress): number {
    return Math.max(this.#head - position, 0)
  }

  /** Returns the progress of every webhook, including paused ones. */
  *progresses(): Generator<{ name: string; progress: Progress }> {
    for (const [name, { progress }] of this.#deliveries) yield { name, progress }
  }

  async flush(): Promise<void> {
    for (const delivery of this.#deliveries.values()) delivery.saveProgress()
    await this.#context.deliveryLog.flush()
  }

  async ping(webhook: Webhook): Promise<{ id: string; receipt: Receipt }> {
    const { sendOptions, secrets, connections } = this.#context
    const id = `${messageId(webhook.key, 0)}_ping_${randomBytes(8).toString('hex')}`
    const receipt = await connections.run(() => {
      const at = sendOptions.now()
      const body = JSON.stringify({
        sequence: null,
        at: new Date(at).toISOString(),
        kind: 'ping',
        webhook: webhook.name,
      })
      return attempt(webhook, { id, body, at }, { secrets, sendOptions, signal: this.#pings.signal })
    })
    return { id, receipt }
  }

  async expectReachable(url: string): Promise<void> {
    const { addressPolicy, lookup: lookUp } = this.#context.sendOptions
    const host = hostOf(new URL(url))
    const listAddresses = () =>
      new Promise<string[]>((resolve) =>
        lookUp(host, (error, found) => resolve(error === null ? found.map(({ address }) => address) : [])),
      )
    const addresses = isIP(host) === 0 ? await listAddresses() : [host]
    if (addresses.length === 0 || addresses.some((address) => addressPolicy.allows(address))) return
    const detail = forbiddenAddress(host, addresses, WEBHOOK_NETWORKS)
    throw new DepotError('invalid_request', detail, { parts: [{ detail, pointer: '/url' }] })
  }

  /** Aborts deliveries in flight and stores the progress of every webhook. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#pings.abort()
    await this.#stopLeading?.()
    await this.#stopAll()
    await this.flush()
    this.#context.deliveryLog.close()
  }

  async #startAll(): Promise<void> {
    this.#isDelivering = true
    const started = this.#readAll(this.#reading)
    this.#reading = started.catch(() => undefined)
    await started
  }

  /** Reads all webhooks after the read `before`, and starts their deliveries. */
  async #readAll(before: Promise<void>): Promise<void> {
    await before
    for (const webhook of await listWebhooks(this.#depot.db, { limit: MAX_WEBHOOKS })) this.#start(webhook)
  }

  /** Aborts deliveries in flight. Their progress is stored with {@link flush}. */
  async #stopAll(): Promise<void> {
    this.#isDelivering = false
    await this.#reading
    for (const delivery of this.#deliveries.values()) this.#stop(delivery)
    await Promise.all(this.#ending)
    if (this.#isClosed) return
    await this.flush()
    this.#deliveries.clear()
  }

  /** Stops the delivery of a changed webhook at once, and starts another one from the new row. */
  #restart(name: string): void {
    this.#drop(name)
    this.#reading = this.#read(name, this.#reading)
  }

  /** Reads a webhook after the read `before`, and starts its delivery if the webhook still exists. */
  async #read(name: string, before: Promise<void>): Promise<void> {
    try {
      await before
      const webhook = await findWebhook(this.#depot.db, name)
      this.#drop(name) // an earlier read may have started it from an older row
      if (webhook !== undefined && this.#isDelivering && !this.#isClosed) this.#start(webhook)
    } catch (error) {
      this.#depot.log.error(
        { err: error, webhook: name },
        'cannot read a webhook; its deliveries stop until it is changed or the depot restarts',
      )
    }
  }

  #drop(name: string): void {
    const delivery = this.#deliveries.get(name)
    if (delivery !== undefined) this.#stop(delivery)
    this.#deliveries.delete(name)
  }

  #start(webhook: Webhook): void {
    this.#drop(webhook.name)
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
