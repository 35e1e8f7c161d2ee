import { asUnavailable, isDiskFull } from '../database/errors.ts'
import { DepotError } from '../errors.ts'
import type { Handlers } from './command-table.ts'
import type { QueuedCommand } from './long-commands.ts'
import { CommitInDoubt } from './shared-ledger.ts'

/** A command that has run in a transaction or on a snapshot, with its result. */
export interface Settled<T extends Handlers> {
  readonly queued: QueuedCommand<T>
  readonly result: { outcome: unknown } | { error: unknown } | 'postponed'
}

/**
 * Gives callers the outcomes of their commands. `acknowledge` is called with the last sequence that a command
 * may have read; the callers wait until it resolves, and get its error if it rejects.
 */
export class Outcomes<T extends Handlers> {
  readonly #acknowledge: ((sequence: number) => Promise<void>) | undefined
  readonly #unacknowledged = new Set<Promise<void>>()

  constructor(acknowledge: ((sequence: number) => Promise<void>) | undefined) {
    this.#acknowledge = acknowledge
  }

  /** Gives the callers their outcomes once they are acknowledged, and returns at once. */
  give(settled: readonly Settled<T>[], through: number): void {
    if (this.#acknowledge === undefined) return settle(settled)
    const acknowledged = this.#acknowledge(through)
      .then(
        () => settle(settled),
        (error: unknown) => settle(settled, error),
      )
      .finally(() => this.#unacknowledged.delete(acknowledged))
    this.#unacknowledged.add(acknowledged)
  }

  /** Resolves when all callers have their outcomes. */
  async given(): Promise<void> {
    await Promise.all(this.#unacknowledged)
  }
}

/** Gives callers their outcomes or, if these are not acknowledged, the reason. */
function settle<T extends Handlers>(settled: readonly Settled<T>[], unacknowledged?: unknown): void {
  for (const { queued, result } of settled) {
    if (result === 'postponed') continue
    if ('error' in result) queued.reject(forCaller(result.error))
    else if (unacknowledged === undefined) queued.resolve(result.outcome)
    else queued.reject(unacknowledged)
  }
}

/** Turns an error of the disk or the database into one that tells the caller what became of the command. */
export function forCaller(error: unknown): unknown {
  if (isDiskFull(error))
    return new DepotError('storage_full', 'the disk of the depot is full; nothing was changed', {
      cause: error,
    })
  return error instanceof CommitInDoubt
    ? asUnavailable(error.cause, 'whether the change was made is not known')
    : asUnavailable(error)
}
