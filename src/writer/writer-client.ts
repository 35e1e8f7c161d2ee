import { receiveMessageOnPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { shuttingDown } from '../errors.ts'
import { parseEntry } from '../ledger/entry.ts'
import type { Announcement } from '../ledger/follower.ts'
import { traced } from '../tracing/traced.ts'
import { unpackError } from '../threads/thread-error.ts'
import type { CommandIn, Handlers, KindIn, OutcomeIn } from './command-table.ts'
import { unpackMessage } from './packed-message.ts'
import type { CommandOutcome, PackedMessage } from './packed-message.ts'
import type { AnyWriter, CommitStats, CommitListener } from './writer.ts'
import type { SubmittedCommand } from './writer-thread.ts'

/** A thread's connection to the writer thread. */
export interface WriterPort {
  /** Receives every commit and sends commands. */
  readonly port: MessagePort
  /** One signed 64-bit number: the sequence number of the last entry that was announced to every port. */
  readonly announced: SharedArrayBuffer
}

/** The index of the low half of a 64-bit number on this machine. */
const LOW = new Int32Array(new BigInt64Array([1n]).buffer)[0] === 1 ? 0 : 1

/** Settles the promise of a submitted command. */
interface Pending {
  resolve(outcome: unknown): void
  reject(error: unknown): void
}

/**
 * A client of the writer thread. After a commit, the writer announces it to every port, then raises the
 * shared number of the last entry, then answers the commands. A thread that sees a raised number and drains
 * its port therefore knows every change whose outcome any caller has received.
 */
export class WriterClient<T extends Handlers> implements AnyWriter<T> {
  readonly #port: MessagePort
  readonly #announced: BigInt64Array
  /** The halves of `#announced`. Every poll reads the low half only, which is cheaper. */
  readonly #halves: Int32Array
  readonly #now: () => number
  readonly #listeners: CommitListener[] = []
  readonly #pending = new Map<number, Pending>()
  readonly #onMessage = (message: PackedMessage) => this.#receive(message)
  /** The low half of the announced number at the last {@link catchUp}. */
  #caughtUp = 0
  /** The promises of listeners. Each resolves when its listener has read the entries that it missed. */
  readonly #delays = new Set<Promise<void>>()
  /** The commands of this turn, which are sent at its end. */
  readonly #submitted: SubmittedCommand<CommandIn<T>>[] = []
  #count = 0
  #isClosed = false
  #onIdle: (() => void) | undefined

  constructor({ port, announced }: WriterPort, now: () => number) {
    this.#port = port
    this.#announced = new BigInt64Array(announced)
    this.#halves = new Int32Array(announced)
    this.#now = now
  }

  /**
   * Starts to receive commits and outcomes. Delivers those that are already waiting at the port before it
   * returns.
   */
  start(): void {
    this.#drain()
    this.#port.on('message', this.#onMessage)
  }

  onAnnouncement(listener: CommitListener): void {
    this.#listeners.push(listener)
  }

  submit<K extends KindIn<T>>(command: CommandIn<T, K>): Promise<OutcomeIn<T, K>> {
    if (this.#isClosed) return Promise.reject(shuttingDown())
    return traced('command', { 'hart_depot.command': command.kind }, () => this.#submit(command))
  }

  #submit<K extends KindIn<T>>(command: CommandIn<T, K>): Promise<OutcomeIn<T, K>> {
    const { promise, resolve, reject } = Promise.withResolvers<OutcomeIn<T, K>>()
    this.#pending.set(this.#count, { resolve: (outcome) => resolve(outcome as OutcomeIn<T, K>), reject })
    if (this.#submitted.length === 0) setImmediate(() => this.#send())
    this.#submitted.push({ id: this.#count, command, at: this.#now() })
    this.#count += 1
    return promise
  }

  catchUp(): void {
    const low = Atomics.load(this.#halves, LOW)
    if (low === this.#caughtUp) return
    this.#caughtUp = low
    const through = Number(Atomics.load(this.#announced, 0))
    this.#drain()
    // If a message was lost, the listeners notice it by the number, and read the entries.
    this.#announce({ entries: [], through }, undefined)
  }

  /** Waits for all outcomes and closes the port. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#pending.size > 0)
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    this.#port.close()
  }

  /** Takes all messages that have arrived, and reports whether every command has its outcome. */
  isSettled(): boolean {
    this.#drain()
    return this.#pending.size === 0
  }

  #send(): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
    this.#port.postMessage(this.#submitted.splice(0))
  }

  #drain(): void {
    for (
      let received = receiveMessageOnPort(this.#port);
      received !== undefined;
      received = receiveMessageOnPort(this.#port)
    )
      this.#receive(received.message as PackedMessage)
  }

  #receive(packed: PackedMessage): void {
    const message = unpackMessage(packed)
    for (const { entries, through, commit } of message.announcements)
      this.#announce({ entries: entries.map(parseEntry), through }, commit)
    if (this.#delays.size === 0) this.#settle(message.outcomes)
    else void this.#settleLater(message.outcomes)
  }

  #announce(announcement: Announcement, commit: CommitStats | undefined): void {
    for (const listener of this.#listeners) {
      const delay = listener(announcement, commit)
      if (delay === undefined) continue
      const ended = delay.finally(() => this.#delays.delete(ended))
      this.#delays.add(ended)
    }
  }

  async #settleLater(outcomes: readonly CommandOutcome[]): Promise<void> {
    await Promise.all(this.#delays)
    this.#settle(outcomes)
  }

  #settle(outcomes: readonly CommandOutcome[]): void {
    for (const outcome of outcomes) {
      const pending = this.#pending.get(outcome.id)
      this.#pending.delete(outcome.id)
      if ('error' in outcome) pending?.reject(unpackError(outcome.error))
      else pending?.resolve(outcome.outcome)
    }
    if (this.#pending.size === 0) this.#onIdle?.()
  }
}
