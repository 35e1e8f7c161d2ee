import { setImmediate } from 'node:timers/promises'
import type { Logger } from 'pino'
import { getAccountName } from '../accounts/account-store.ts'
import type { Db } from '../database/database.ts'
import type { LedgerEntry, LedgerEvent } from '../ledger/entry.ts'
import { listEntries } from '../ledger/ledger-store.ts'
import type { SecretBox } from '../origins/secret-box.ts'
import type { DeliveryLog } from './delivery-log.ts'
import type { ConcurrencyLimit } from '../threads/concurrency-limit.ts'
import { bodyOf, outgoing } from '../webhooks/outgoing.ts'
import { advance, afterAttempt, msUntilAttempt } from '../webhooks/progress.ts'
import type { Progress } from '../webhooks/progress.ts'
import { send } from '../webhooks/send.ts'
import type { Receipt, SendOptions } from '../webhooks/send.ts'
import { matcherOf, messageId } from '../webhooks/webhook.ts'
import type { Webhook } from '../webhooks/webhook.ts'
import { traced } from '../tracing/traced.ts'

/** A committed entry. */
export interface CommittedEvent {
  readonly sequence: number
  readonly event: LedgerEvent
  /** Returns the origins of the event. They are computed once for all webhooks. */
  readonly origins: () => ReadonlySet<string>
}

/** The dependencies that all deliveries share. */
export interface DeliveryContext {
  readonly db: Db
  readonly secrets: SecretBox
  readonly log: Logger
  readonly sendOptions: SendOptions & { random(): number }
  readonly connections: ConcurrencyLimit
  readonly deliveryLog: DeliveryLog
  /** Returns the sequence number of the last committed entry. */
  head(): number
  onReceipt(receipt: Receipt): void
}

const MAX_PAGE_SIZE = 100
/**
 * The maximum length of the range of sequence numbers that one page is read from. Most entries in it may be
 * of other kinds.
 */
const MAX_SEQUENCE_SPAN = 1_000
/** The wait after an error of our own, for example of the database. */
const RETRY_MS = 60_000
/** The wait while too many attempts are not stored yet. */
const UNSAVED_WAIT_MS = 1_000
/**
 * The number of skipped entries after which the progress is stored. A restart examines at most this many
 * entries again.
 */
const SAVE_EVERY = 1_000

/**
 * Delivers entries to one webhook in ledger order, each after the previous one was accepted. When an
 * administrator changes the webhook, its delivery stops, and another one starts from the database row.
 */
export class WebhookDelivery {
  readonly webhook: Webhook
  readonly #context: DeliveryContext
  readonly #matches: ReturnType<typeof matcherOf>
  readonly #stopping = new AbortController()
  readonly #ended: Promise<void>
  #progress: Progress
  /** The progress that was last passed to the delivery log. */
  #saved: Progress
  /** Resolves when there may be something to deliver. */
  #wake = Promise.withResolvers<void>()
  /**
   * Whether every entry up to the head is done. Then new entries that do not match the filter are skipped
   * without a read.
   */
  #isIdle = false

  constructor(webhook: Webhook, context: DeliveryContext) {
    this.webhook = webhook
    this.#context = context
    this.#matches = matcherOf(webhook.filter)
    this.#progress = webhook.progress
    this.#saved = webhook.progress
    this.#ended = this.#run()
  }

  get progress(): Progress {
    return this.#progress
  }

  /**
   * Takes newly committed entries. While the webhook is idle, entries outside the filter are not read again,
   * and the position is stored only after many of them.
   */
  onCommit(committed: readonly CommittedEvent[]): void {
    const last = committed.at(-1)
    if (last === undefined) return
    if (this.#isIdle && !committed.some(({ event, origins }) => this.#matches(event, origins)))
      return this.#skipTo(last.sequence)
    this.#isIdle = false // the next commit may come before the delivery runs, and must not skip these entries
    this.#wake.resolve()
  }

  /**
   * Aborts the attempt in flight, which then counts as not delivered. Resolves once everything has stopped.
   */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#wake.resolve()
    await this.#ended
  }

  /** Passes the current progress to the delivery log, unless the log already has it. */
  saveProgress(): void {
    if (entriesBetween(this.#saved, this.#progress) === 0) return
    this.#saved = this.#progress
    this.#context.deliveryLog.add(this.webhook, this.#progress)
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await setImmediate() // the caller that made the commit gets its answer first
        await this.#step()
      } catch (error) {
        this.#context.log.error(
          { err: error, webhook: this.webhook.name },
          'cannot deliver to a webhook; trying again in a minute',
        )
        await this.#sleep(RETRY_MS)
      }
    }
  }

  /** Makes one attempt, or waits until there is something to do. */
  async #step(): Promise<void> {
    const { deliveryLog, sendOptions } = this.#context
    if (this.#progress.pause !== undefined) return this.#sleep(undefined)
    if (deliveryLog.isFull) return this.#sleep(UNSAVED_WAIT_MS)
    const wait = msUntilAttempt(this.#progress, sendOptions.now())
    if (wait > 0) await this.#sleep(wait)
    const entry = await this.#findNext()
    if (entry === undefined) return this.#waitForEntry()
    await this.#context.connections.run(() => this.#deliver(entry))
  }

  /**
   * Finds the next entry that matches the filter. The first page has one row, which is enough for a webhook
   * without a filter. Each page without a match doubles the size of the next one.
   */
  async #findNext(): Promise<LedgerEntry | undefined> {
    const { kinds } = this.webhook.filter
    for (let limit = 1; !this.#stopping.signal.aborted; limit = Math.min(limit * 2, MAX_PAGE_SIZE)) {
      const { position, replay } = this.#progress
      const [after, to] =
        replay === undefined ? [position, this.#context.head()] : [replay.next - 1, replay.to]
      if (after >= to) return undefined
      const end = Math.min(to, after + MAX_SEQUENCE_SPAN)
      const page = await listEntries(this.#context.db, {
        after,
        through: end,
        limit,
        ...(kinds && { kinds }),
      })
      const found = page.entries.find(({ event }) => this.#matches(event))
      if (found !== undefined) return found
      this.#skipTo(page.through)
      await setImmediate() // let other work run
    }
    return undefined
  }

  /** Counts an entry and all before it as done. */
  #skipTo(sequence: number): void {
    this.#progress = advance(this.#progress, sequence)
    if (entriesBetween(this.#saved, this.#progress) >= SAVE_EVERY) this.saveProgress()
  }

  async #deliver(entry: LedgerEntry): Promise<void> {
    const { signal } = this.#stopping
    const { deliveryLog, sendOptions } = this.#context
    if (signal.aborted) return
    const at = sendOptions.now()
    const receipt = await traced('deliver', { 'hart_depot.webhook': this.webhook.name }, () =>
      this.#send(entry, at),
    )
    if (signal.aborted) return
    const before = this.#progress
    this.#progress = afterAttempt(before, entry.sequence, receipt, {
      now: sendOptions.now(),
      random: sendOptions.random(),
    })
    this.#saved = this.#progress
    const { durationMs, status, error, excerpt } = receipt
    deliveryLog.add(this.webhook, this.#progress, {
      sequence: entry.sequence,
      attempt: before.attempts + 1,
      at,
      durationMs,
      status,
      error,
      excerpt,
    })
    this.#context.onReceipt(receipt)
    this.#logOutcome(before, entry.sequence, receipt)
  }

  async #send(entry: LedgerEntry, at: number): Promise<Receipt> {
    const { db, secrets, sendOptions } = this.#context
    const { accountId } = entry.actor
    const account = accountId === undefined ? undefined : await getAccountName(db, accountId)
    return attempt(
      this.webhook,
      { id: messageId(this.webhook.key, entry.sequence), body: bodyOf(entry, account), at },
      { secrets, sendOptions, signal: this.#stopping.signal },
    )
  }

  #logOutcome(before: Progress, sequence: number, { error }: Receipt): void {
    const { pause, attempts } = this.#progress
    const about = { webhook: this.webhook.name, host: this.webhook.host, sequence, error }
    if (pause !== undefined)
      this.#context.log.error(
        { ...about, attempts, why: pause.why },
        'a webhook was paused: deliveries stop until an administrator resumes it',
      )
    else if (before.attempts === 0 && attempts > 0) this.#context.log.warn(about, 'a webhook fails')
    else if (before.attempts > 0 && attempts === 0)
      this.#context.log.info({ ...about, attempts: before.attempts }, 'a webhook works again')
  }

  async #waitForEntry(): Promise<void> {
    this.#isIdle = this.#progress.replay === undefined && this.#progress.position >= this.#context.head()
    if (this.#isIdle) await this.#wake.promise
    this.#isIdle = false
    this.#wake = Promise.withResolvers()
    if (this.#stopping.signal.aborted) this.#wake.resolve()
  }

  /** Waits for `ms`, or until the delivery is stopped. `undefined` waits only for the stop. */
  async #sleep(ms: number | undefined): Promise<void> {
    const { signal } = this.#stopping
    if (signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const onAbort = () => resolve()
    signal.addEventListener('abort', onAbort)
    const cancel = ms === undefined ? undefined : this.#context.sendOptions.after(ms, resolve)
    await promise
    cancel?.()
    signal.removeEventListener('abort', onAbort)
  }
}

/** Returns how many entries a webhook has processed between two states; infinitely many if a replay ended. */
function entriesBetween(before: Progress, after: Progress): number {
  if (before.replay === undefined) return after.position - before.position
  return after.replay === undefined ? Number.POSITIVE_INFINITY : after.replay.next - before.replay.next
}

/**
 * Builds and sends a message. If the depot was started with another secret key, the message cannot be built,
 * and the receipt has the error.
 */
export async function attempt(
  webhook: Webhook,
  content: { id: string; body: string; at: number },
  {
    secrets,
    sendOptions,
    signal,
  }: Pick<DeliveryContext, 'secrets' | 'sendOptions'> & { signal: AbortSignal },
): Promise<Receipt> {
  let message
  try {
    message = outgoing(webhook, content, secrets)
  } catch (error) {
    return {
      verdict: 'failed',
      error: error instanceof Error ? error.message : String(error),
      excerpt: '',
      durationMs: 0,
    }
  }
  return send(message, sendOptions, signal)
}
