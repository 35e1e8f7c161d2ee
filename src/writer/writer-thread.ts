import { parentPort, workerData } from 'node:worker_threads'
import { openWriting } from '../database/database.ts'
import type { LedgerEntry } from '../ledger/entry.ts'
import { packError } from '../thread-error.ts'
import type { PackedError } from '../thread-error.ts'
import type { Command } from './commands.ts'
import { Writer } from './writer.ts'
import type { Commit } from './writer.ts'

// The other side of threaded-writer.ts: a writer with a connection of its own. What was committed is told before what became of its commands.

export interface Sent {
  readonly id: number
  readonly command: Command
  /** When it was submitted. */
  readonly at: number
}

export type Told =
  | { readonly kind: 'committed'; readonly entries: readonly LedgerEntry[]; readonly commit: Commit }
  | { readonly kind: 'done'; readonly id: number; readonly outcome: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: PackedError }

const { file, at } = workerData as { file: string; at: number }
const database = openWriting(file)
// A thread cannot ask its parent's clock; commands say what it was.
let clock = at
// Messages come one by one, and all that have come before what is set for the end of this turn.
const writer = await Writer.open(database.writable, () => clock, () => new Promise(setImmediate))
writer.onCommit((entries, commit) => tell({ kind: 'committed', entries, commit }))

parentPort?.on('message', (message: Sent | 'close') => {
  if (message === 'close') void end()
  else void run(message)
})

async function run({ id, command, at: now }: Sent): Promise<void> {
  clock = now
  try {
    tell({ kind: 'done', id, outcome: await writer.submit(command) })
  } catch (error) {
    tell({ kind: 'failed', id, error: packError(error) })
  }
}

async function end(): Promise<void> {
  await writer.close()
  database.close()
  parentPort?.close()
}

function tell(message: Told): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
  parentPort?.postMessage(message)
}
