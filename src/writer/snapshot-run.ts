import type { Clock } from '../clock.ts'
import type { Reading, Trx } from '../database/database.ts'
import type { CommandContext } from '../ledger/command-context.ts'
import { findHead } from '../ledger/ledger-store.ts'
import { Postponed, yielding } from '../ledger/read-ahead.ts'
import type { ReadAhead } from '../ledger/read-ahead.ts'
import { handle } from './command-table.ts'
import type { CommandIn, CommandTable, Handlers } from './command-table.ts'

/**
 * A result or an error before the handler's first write is the outcome of the command. The first write
 * throws {@link Postponed} or an error of the database; see `isWriteAttempt` in long-commands.ts.
 */
export interface SnapshotRun {
  readonly result: { outcome: unknown } | { error: unknown }
  /** The sequence of the last entry in the snapshot. */
  readonly through: number
}

/**
 * Runs a handler on a snapshot up to its first write, and stores the results of its reads in `readAhead`.
 * Closes the snapshot. Rejects if the snapshot cannot be read.
 */
export async function runOnSnapshot<T extends Handlers>(
  snapshot: Reading,
  { handlers, checkCallers }: CommandTable<T>,
  command: CommandIn<T>,
  { readAhead, now, setBackAt }: { readAhead: ReadAhead; now: () => number; setBackAt: Clock['setBackAt'] },
): Promise<SnapshotRun> {
  const db = yielding(snapshot.reader)
  try {
    const head = await findHead(db)
    const clock = { now: now(), setBackAt }
    const read: CommandContext['read'] = async (name, basis, act) => {
      const value = await act(db)
      readAhead.store(name, basis, value)
      return value
    }
    const context = {
      trx: db as Trx,
      at: Math.max(clock.now, head.at + 1),
      clock,
      actor: command.actor,
      read,
      record: refuseToRecord,
    }
    const authorized = checkCallers(now).authorize(db, command)
    const handled = authorized.then((caller) => handle(handlers, { ...context, caller }, command))
    const result = await handled.then(
      (outcome) => ({ outcome }),
      (error: unknown) => ({ error }),
    )
    return { result, through: head.sequence }
  } finally {
    await snapshot.close()
  }
}

async function refuseToRecord(): Promise<never> {
  throw new Postponed('a snapshot accepts no writes')
}
