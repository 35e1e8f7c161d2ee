import { MessageChannel, parentPort, workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { openSnapshot, openWriting, walOf } from '../database/database.ts'
import { OpenedFiles } from '../database/opened-files.ts'
import type { OpenedFile } from '../database/opened-files.ts'
import type { LedgerEntry } from '../ledger/entry.ts'
import { packError } from '../threads/thread-error.ts'
import type { PackedError } from '../threads/thread-error.ts'
import type { Command } from '../commands/commands.ts'
import { Writer } from './writer.ts'
import type { Commit } from './writer.ts'

// The other side of threaded-writer.ts: a writer with a connection of its own, and the seats of the threads that submit to it.

/** By a seat. */
export interface SubmittedCommand {
  readonly id: number
  readonly command: Command
  /** When it was submitted. */
  readonly at: number
}

/** To a seat: to every one what was committed, and to the one that asked what became of it. */
export type WriterMessage =
  | { readonly kind: 'committed'; readonly entries: readonly LedgerEntry[]; readonly commit: Commit }
  | { readonly kind: 'done'; readonly id: number; readonly outcome: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: PackedError }

/** By the thread that made this one. */
export type ParentMessage =
  | { readonly kind: 'join'; readonly port: MessagePort }
  | { readonly kind: 'port' }
  | { readonly kind: 'close' }

/** To it: the other end of a seat that was asked for. */
export interface PortReply {
  readonly port: MessagePort
}

const {
  file,
  at,
  commits,
  files: noted,
} = workerData as { file: string; at: number; commits: SharedArrayBuffer; files: readonly OpenedFile[] }
const database = openWriting(file)
const count = new Uint32Array(commits)
const ports = new Set<MessagePort>()
// A thread cannot ask its parent's clock; commands say what it was.
let clock = at
// Messages come one by one, and all that have come before what is set for the end of this turn.
const files = new OpenedFiles(noted).with([walOf(file)])
const writer = await Writer.open(database.writable, () => clock, {
  gather: () => new Promise(setImmediate),
  openSnapshot: () => openSnapshot(file),
  beforeCommit: () => files.expectThere(),
})
writer.onCommit((entries, commit) => {
  for (const port of ports) post(port, { kind: 'committed', entries, commit })
  Atomics.add(count, 0, 1) // and commands are answered after this
})

parentPort?.on('message', (message: ParentMessage) => {
  if (message.kind === 'join') serve(message.port)
  else if (message.kind === 'close') void end()
  else {
    const { port1, port2 } = new MessageChannel()
    serve(port1)
    parentPort?.postMessage({ port: port2 } satisfies PortReply, [port2])
  }
})

function serve(port: MessagePort): void {
  ports.add(port)
  port.on('message', (submitted: SubmittedCommand) => void run(port, submitted))
  port.on('close', () => ports.delete(port)) // given up, or the thread that sat there died
}

async function run(port: MessagePort, { id, command, at: now }: SubmittedCommand): Promise<void> {
  clock = now
  try {
    post(port, { kind: 'done', id, outcome: await writer.submit(command) })
  } catch (error) {
    post(port, { kind: 'failed', id, error: packError(error) })
  }
}

async function end(): Promise<void> {
  await writer.close()
  database.close()
  for (const port of ports) port.close()
  parentPort?.close()
}

function post(port: MessagePort, message: WriterMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
  port.postMessage(message)
}
