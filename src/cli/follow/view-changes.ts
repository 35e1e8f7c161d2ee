import type { DepotClient } from '../../client/client.ts'
import { RequestRefused } from '../../client/errors.ts'
import type { Io } from '../io.ts'

/** How long to wait before the ledger is followed again after an error. */
const PAUSE_MS = 60_000

/**
 * Counts the changes of a view, so that a caller can wait for the next one. Call {@link follow} to begin, and
 * {@link close} to end.
 */
export class ViewChanges {
  readonly #io: Io
  readonly #onTrouble: (message: string) => void
  readonly #end = new AbortController()
  #count = 0
  #changed = Promise.withResolvers<void>()

  /** `onTrouble` is called with a sentence each time the depot does not answer. */
  constructor(io: Io, onTrouble: (message: string) => void) {
    this.#io = io
    this.#onTrouble = onTrouble
  }

  /** Rises when the view may have changed. Read it before the view, and give it to {@link wait}. */
  get count(): number {
    return this.#count
  }

  /**
   * Resolves when the view may have changed since `count` was read, and after `ms` at the latest. Rejects
   * with the reason of the signal.
   */
  async wait(count: number, ms?: number): Promise<void> {
    const { signal } = this.#io
    if (this.#count !== count) return
    const stop = new AbortController()
    const until = AbortSignal.any([signal, stop.signal])
    try {
      await Promise.race([
        this.#changed.promise,
        ms === undefined ? aborted(until) : this.#io.pause(ms, until).catch(() => undefined),
      ])
    } finally {
      stop.abort()
    }
    signal.throwIfAborted()
  }

  /** Counts the promotions of a view in the ledger until the signal or {@link close}. Never rejects. */
  async follow(depot: DepotClient, view: string): Promise<void> {
    const signal = AbortSignal.any([this.#io.signal, this.#end.signal])
    while (!signal.aborted) {
      try {
        const { position } = await depot.getLedgerHead({ signal })
        this.#tell()
        const changes = depot.follow({
          view,
          kind: 'promotion',
          after: position,
          signal,
          onTrouble: ({ message }) => this.#onTrouble(message),
        })
        for await (const _ of changes) this.#tell()
      } catch (error) {
        if (signal.aborted) return
        // The depot was restored from a copy, or the caller meets the same error when it reads the view.
        this.#tell()
        if (error instanceof RequestRefused && error.code === 'other_history') continue
        await this.#io.pause(PAUSE_MS, signal).catch(() => undefined)
      }
    }
  }

  close(): void {
    this.#end.abort()
  }

  #tell(): void {
    this.#count += 1
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise((resolve) => {
    signal.addEventListener('abort', resolve, { once: true })
  })
}
