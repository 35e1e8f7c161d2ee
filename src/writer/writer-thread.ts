import { MessageChannel, parentPort, workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import type { DatabaseLocation } from '../config/database.ts'
import { AnnouncedLedger } from '../cluster/announced-ledger.ts'
import type { SharedLease } from '../cluster/lease.ts'
import type { ClusterNode, NodeEvent, NodeIdentity } from '../cluster/node.ts'
import type { Engine } from '../database/database.ts'
import { openEngine } from '../database/engine.ts'
import { OpenedFiles } from '../database/opened-files.ts'
import type { OpenedFile } from '../database/opened-files.ts'
import { storedEntryOf } from '../ledger/entry.ts'
import { packError } from '../threads/thread-error.ts'
import type { PackedError } from '../threads/thread-error.ts'
import type { CommandIn, CommandTable, Handlers } from './command-table.ts'
import { packMessage } from './packed-message.ts'
import type { AnnouncedCommit, CommandOutcome, PackedMessage } from './packed-message.ts'
import { Writer } from './writer.ts'

// The thread that threaded-writer.ts starts: a writer with its own connection, and the ports of the threads
// that submit commands.

/** The data that the thread starts with. */
export interface WriterStart {
  readonly database: DatabaseLocation
  /** The parent's clock. */
  readonly at: number
  /** See {@link WriterPort.announced}. */
  readonly announced: SharedArrayBuffer
  readonly files: readonly OpenedFile[]
  /** Present if the database may have several nodes. */
  readonly node: NodeStart | undefined
}

/** This process among the nodes of a database. */
export interface NodeStart extends NodeIdentity {
  readonly lease: SharedLease
  /** Whether callers wait until all nodes have applied what was committed. */
  readonly waitsForAll: boolean
}

/** A command on its way to the writer. A message has a list of these, which were submitted in one turn. */
export interface SubmittedCommand<Command> {
  readonly id: number
  readonly command: Command
  /** When it was submitted. */
  readonly at: number
}

/** A message from the parent thread: serve this port, send me a new port, join the other nodes, or close. */
export type ParentMessage =
  | { readonly kind: 'join'; readonly port: MessagePort }
  | { readonly kind: 'port' }
  | { readonly kind: 'join nodes' }
  | { readonly kind: 'close' }

/** A message to the parent thread: the other end of a new port, or news of this node. */
export type ThreadReply =
  | { readonly kind: 'port'; readonly port: MessagePort }
  | { readonly kind: 'joined nodes'; readonly error?: PackedError }
  | { readonly kind: 'node'; readonly event: NodeEvent }

/** Runs the calling thread as a writer of these commands until the parent thread closes it. */
export async function runWriterThread<T extends Handlers>(commands: CommandTable<T>): Promise<void> {
  const {
    database: location,
    at,
    announced: shared,
    files: opened,
    node: nodeStart,
  } = workerData as WriterStart
  const engine = await openEngine(location)
  const database = await engine.openWriting(nodeStart?.id)
  const outbox = new Outbox(new BigInt64Array(shared))
  // The thread cannot read its parent's clock, so each command carries the time.
  let clock = at
  const files = new OpenedFiles(opened).with(engine.logFiles)
  const writer = await Writer.open(database.writable, commands, {
    now: () => clock,
    // setImmediate runs after all messages that have arrived, so one batch holds them all.
    gather: () => new Promise(setImmediate),
    openSnapshot: () => engine.openSnapshot({ refusesWrites: true }),
    beforeCommit: () => files.expectPresent(),
    ...(database.notify && { notify: database.notify }),
    ...(nodeStart?.waitsForAll === true && {
      acknowledge: async (sequence: number): Promise<void> => node?.applied(sequence),
    }),
  })
  writer.onAnnouncement(({ entries, through }, commit) => {
    outbox.announce({ entries: entries.map(storedEntryOf), through, commit })
    if (nodeStart !== undefined) outbox.send() // before this node says that all its threads know the entries
  })
  const node: ClusterNode | undefined =
    nodeStart && (await openNode(nodeStart, engine, new AnnouncedLedger(writer, writer.head)))
  const run = async ({ id, command, at: now }: SubmittedCommand<CommandIn<T>>): Promise<CommandOutcome> => {
    clock = now
    try {
      return { id, outcome: await writer.submit(command) }
    } catch (error) {
      return { id, error: packError(error) }
    }
  }
  const serve = (port: MessagePort): void => {
    outbox.ports.add(port)
    port.on('message', (submitted: readonly SubmittedCommand<CommandIn<T>>[]) => {
      for (const one of submitted) void run(one).then((outcome) => outbox.answer(port, outcome))
    })
    port.on('close', () => outbox.ports.delete(port)) // closed, or its thread died
  }
  const end = async (): Promise<void> => {
    await writer.close()
    await node?.close()
    await database.close()
    for (const port of outbox.ports) port.close()
    parentPort?.close()
  }
  parentPort?.on('message', (message: ParentMessage) => {
    if (message.kind === 'join') serve(message.port)
    else if (message.kind === 'close') void end()
    else if (message.kind === 'join nodes') void joinNodes(node)
    else {
      const { port1, port2 } = new MessageChannel()
      serve(port1)
      parentPort?.postMessage({ kind: 'port', port: port2 } satisfies ThreadReply, [port2])
    }
  })
}

/**
 * The messages to the ports. They are sent at the end of a turn, which brings all outcomes of a commit.
 */
class Outbox {
  readonly ports = new Set<MessagePort>()
  /** See {@link WriterPort.announced}. */
  readonly #announced: BigInt64Array
  readonly #announcements: AnnouncedCommit[] = []
  readonly #outcomes = new Map<MessagePort, CommandOutcome[]>()
  #isWaiting = false

  constructor(announced: BigInt64Array) {
    this.#announced = announced
  }

  announce(commit: AnnouncedCommit): void {
    this.#announcements.push(commit)
    this.#sendLater()
  }

  answer(port: MessagePort, outcome: CommandOutcome): void {
    const outcomes = this.#outcomes.get(port) ?? []
    outcomes.push(outcome)
    this.#outcomes.set(port, outcomes)
    this.#sendLater()
  }

  #sendLater(): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    process.nextTick(() => this.send())
  }

  /** Announces commits to every port, then raises the shared number, then answers commands. */
  send(): void {
    this.#isWaiting = false
    const announcements = this.#announcements.splice(0)
    const last = announcements.at(-1)
    const [first] = this.ports
    if (last !== undefined) {
      // A single port gets its outcomes in the same message, so that its thread wakes once.
      const outcomes = this.ports.size === 1 && first !== undefined ? this.#takeOutcomes(first) : []
      const message = packMessage({ announcements, outcomes })
      for (const port of this.ports) post(port, message)
      // What another node committed may be announced after a later commit.
      const through = BigInt(last.through)
      if (through > Atomics.load(this.#announced, 0)) Atomics.store(this.#announced, 0, through)
    }
    for (const port of this.#outcomes.keys())
      post(port, packMessage({ announcements: [], outcomes: this.#takeOutcomes(port) }))
  }

  #takeOutcomes(port: MessagePort): CommandOutcome[] {
    const outcomes = this.#outcomes.get(port) ?? []
    this.#outcomes.delete(port)
    return outcomes
  }
}

async function openNode(start: NodeStart, engine: Engine, ledger: AnnouncedLedger): Promise<ClusterNode> {
  const { ClusterNode } = await import('../cluster/node.ts') // depots on SQLite do without
  return new ClusterNode({
    ...start,
    ledger,
    connect: (options) => engine.listen?.(options) ?? Promise.reject(new Error('this database has one node')),
    onEvent: (event) => tellParent({ kind: 'node', event }),
  })
}

async function joinNodes(node: ClusterNode | undefined): Promise<void> {
  try {
    await node?.start()
    tellParent({ kind: 'joined nodes' })
  } catch (error) {
    tellParent({ kind: 'joined nodes', error: packError(error) })
  }
}

function tellParent(reply: ThreadReply): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
  parentPort?.postMessage(reply)
}

function post(port: MessagePort, message: PackedMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
  port.postMessage(message)
}
