import type { Logger } from 'pino'
import { DEPOT_ACTOR } from '../access/access.ts'
import { DepotError } from '../errors.ts'
import type { CommandQueue } from '../commands/commands.ts'
import type { UnsavedProgress } from '../commands/webhooks/save-deliveries.ts'
import type { Progress } from '../webhooks/progress.ts'
import type { Delivery, Webhook } from '../webhooks/webhook.ts'

const WRITE_AFTER_MS = 1_000
const RETRY_AFTER_MS = 30_000
/** Once this number of attempts is unsaved, they are stored without waiting for the timer. */
const MAX_BATCH_SIZE = 100
/** While this number of attempts is unsaved, deliveries wait. Memory must not grow while the disk is full. */
const MAX_UNSAVED_ATTEMPTS = 300

/**
 * Stores the progress and the attempts of all webhooks in few, small commands, so that promotions rarely wait
 * for one. It submits one command at a time: after a second, or once there are a hundred attempts. After a
 * crash, attempts that were not stored are made again.
 */
export class DeliveryLog {
  readonly #writer: CommandQueue
  readonly #log: Logger
  readonly #after: (ms: number, act: () => void) => () => void
  /** By the key and version of the webhook. */
  #unsaved = new Map<string, UnsavedProgress>()
  #unsavedAttempts = 0
  #writing: Promise<void> | undefined
  #cancelTimer: (() => void) | undefined
  /** Whether the last write failed. Then only the timer begins another. */
  #isFailing = false

  constructor(writer: CommandQueue, log: Logger, after: (ms: number, act: () => void) => () => void) {
    this.#writer = writer
    this.#log = log
    this.#after = after
  }

  /** Whether deliveries should wait, because too many attempts are not stored yet. */
  get isFull(): boolean {
    return this.#unsavedAttempts >= MAX_UNSAVED_ATTEMPTS
  }

  /** Adds the progress of a webhook and, after an attempt, the attempt. */
  add(webhook: Webhook, progress: Progress, delivery?: Delivery): void {
    const { key, version } = webhook
    // A WebhookDelivery that was stopped may still report an older version of its webhook. The database
    // ignores that.
    const id = `${key} ${version}`
    const deliveries = [
      ...(this.#unsaved.get(id)?.deliveries ?? []),
      ...(delivery === undefined ? [] : [delivery]),
    ]
    this.#unsaved.set(id, { key, version, progress, deliveries })
    if (delivery !== undefined) this.#unsavedAttempts += 1
    if (this.#unsavedAttempts >= MAX_BATCH_SIZE && !this.#isFailing) void this.flush()
    else this.#writeIn(WRITE_AFTER_MS)
  }

  /** Stores everything added so far. Never rejects: a failed write is retried later. */
  async flush(): Promise<void> {
    await this.#writing // may have begun before the last attempt was added
    if (this.#unsaved.size === 0) return
    this.#writing ??= this.#writeOnce().finally(() => {
      this.#writing = undefined
    })
    await this.#writing
  }

  /** Stops the timer. */
  close(): void {
    this.#cancelTimer?.()
  }

  #writeIn(ms: number): void {
    this.#cancelTimer ??= this.#after(ms, () => {
      this.#cancelTimer = undefined
      this.#isFailing = false
      void this.flush()
    })
  }

  async #writeOnce(): Promise<void> {
    const taken = this.#unsaved
    const webhooks = [...taken.values()]
    this.#unsaved = new Map()
    try {
      await this.#writer.submit({
        kind: 'saveDeliveries',
        input: { webhooks },
        actor: DEPOT_ACTOR,
      })
      for (const { deliveries } of webhooks) this.#unsavedAttempts -= deliveries.length
    } catch (error) {
      this.#putBack(taken)
      if (error instanceof DepotError && error.code === 'shutting_down') return
      this.#log.error({ err: error }, 'cannot store the deliveries of webhooks; trying again in 30 seconds')
      this.#isFailing = true
      this.#cancelTimer?.()
      this.#cancelTimer = undefined
      this.#writeIn(RETRY_AFTER_MS)
    }
  }

  /** Puts back what a failed write has taken, in front of what was added since. */
  #putBack(before: ReadonlyMap<string, UnsavedProgress>): void {
    const since = this.#unsaved
    this.#unsaved = new Map(before)
    for (const [id, unsaved] of since)
      this.#unsaved.set(id, {
        ...unsaved,
        deliveries: [...(before.get(id)?.deliveries ?? []), ...unsaved.deliveries],
      })
  }
}
