import type { Logger } from 'pino'
import { DepotError } from '../errors.ts'
import type { DepotWriter } from '../writer/writer.ts'
import type { Noted } from '../commands/webhooks/note-deliveries.ts'
import type { Progress } from '../webhooks/progress.ts'
import type { Delivery, Webhook } from '../webhooks/webhook.ts'

const WRITE_AFTER_MS = 1_000
const RETRY_AFTER_MS = 30_000
const LARGEST_WRITE = 100
const MOST_UNWRITTEN = 300

/**
 * Notes what happened to all webhooks in commands that are small and few, so that promotions hardly meet them: one at a time in the
 * writer's queue, a second after the last one, or with a hundred attempts. What was not noted when the process is killed is delivered again.
 */
export class DeliveryLog {
  readonly #writer: DepotWriter
  readonly #log: Logger
  readonly #after: (ms: number, act: () => void) => () => void
  #noted = new Map<string, Noted>()
  #deliveries = 0
  #writing: Promise<void> | undefined
  #cancelTimer: (() => void) | undefined
  #isFailing = false

  constructor(writer: DepotWriter, log: Logger, after: (ms: number, act: () => void) => () => void) {
    this.#writer = writer
    this.#log = log
    this.#after = after
  }

  /** Whether couriers should wait: what is noted nowhere else is kept in memory. */
  get isFull(): boolean {
    return this.#deliveries >= MOST_UNWRITTEN
  }

  add(webhook: Webhook, progress: Progress, delivery?: Delivery): void {
    const { key, version } = webhook
    // What a courier that was stopped knew of an older version goes with it; the database tells the two apart.
    const id = `${key} ${version}`
    const deliveries = [
      ...(this.#noted.get(id)?.deliveries ?? []),
      ...(delivery === undefined ? [] : [delivery]),
    ]
    this.#noted.set(id, { key, version, progress, deliveries })
    if (delivery !== undefined) this.#deliveries += 1
    if (this.#deliveries >= LARGEST_WRITE && !this.#isFailing) void this.flush()
    else this.#writeIn(WRITE_AFTER_MS)
  }

  /** Notes everything up to now. Never rejects: what cannot be noted is tried again later. */
  async flush(): Promise<void> {
    await this.#writing // which may have begun before the last thing was added
    if (this.#noted.size === 0) return
    this.#writing ??= this.#writeOnce().finally(() => {
      this.#writing = undefined
    })
    await this.#writing
  }

  /** Lets no timer run any more. */
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
    const taken = this.#noted
    const webhooks = [...taken.values()]
    this.#noted = new Map()
    try {
      await this.#writer.submit({
        kind: 'noteDeliveries',
        input: { webhooks },
        actor: { client: 'hart-depot', door: 'depot' },
      })
      for (const { deliveries } of webhooks) this.#deliveries -= deliveries.length
    } catch (error) {
      this.#putBack(taken)
      if (error instanceof DepotError && error.code === 'shutting_down') return
      this.#log.error(
        { err: error },
        'what webhooks were sent could not be noted; it is tried again in half a minute',
      )
      this.#isFailing = true
      this.#cancelTimer?.()
      this.#cancelTimer = undefined
      this.#writeIn(RETRY_AFTER_MS)
    }
  }

  #putBack(before: ReadonlyMap<string, Noted>): void {
    const since = this.#noted
    this.#noted = new Map(before)
    for (const [id, noted] of since)
      this.#noted.set(id, {
        ...noted,
        deliveries: [...(before.get(id)?.deliveries ?? []), ...noted.deliveries],
      })
  }
}
