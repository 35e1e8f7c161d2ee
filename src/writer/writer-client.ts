import { receiveMessageOnPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { DepotError } from '../errors.ts'
import { unpackError } from '../threads/thread-error.ts'
import type { CommandIn, Handlers, KindIn, OutcomeIn } from './command-table.ts'
import type { AnyWriter, CommitListener } from './writer.ts'
import type { SubmittedCommand, WriterMessage } from './writer-thread.ts'

/** A thread's connection to the writer thread. */
export interface WriterPort {
  /** Receives every commit and sends commands. */
  readonly port: MessagePort
  /** One 32-bit number: how many commits were sent to every port. */
  readonly commits: SharedArrayBuffer
}

interface Waiting {
  resolve(outcome: unknown): void
  reject(error: unknown): void
}

/**
 * A client of the writer thread. After a commit, the writer sends it to every port, then raises the commit number, then
 * answers the commands. A thread that sees a raised number and drains its port therefore knows every change that any
 * caller was told of.
 */
export class WriterClient<T extends Handlers> implements AnyWriter<T> {
  readonly #port: MessagePort
  readonly #commits: Uint32Array
  readonly #now: () => number
  readonly #listeners: CommitListener[] = []
  readonly #waiting = new Map<number, Waiting>()
  readonly #onMessage = (message: WriterMessage) => this.#receive(message)
  #caughtUp = 0
  #count = 0
  #isClosed = false
  #onIdle: (() => void) | undefined

  constructor({ port, commits }: WriterPort, now: () => number) {
    this.#port = port
    this.#commits = new Uint32Array(commits)
    this.#now = now
  }

  /** Starts to receive commits and outcomes. Delivers those that are already waiting at the port before it returns. */
  start(): void {
    this.#drain()
    this.#port.on('message', this.#onMessage)
  }

  onCommit(listener: CommitListener): void {
    this.#listeners.push(listener)
  }

  submit<K extends KindIn<T>>(command: CommandIn<T, K>): Promise<OutcomeIn<T, K>> {
    if (this.#isClosed) return Promise.reject(new DepotError('shutting_down', 'the depot is shutting down'))
    const { promise, resolve, reject } = Promise.withResolvers<OutcomeIn<T, K>>()
    this.#waiting.set(this.#count, { resolve: (outcome) => resolve(outcome as OutcomeIn<T, K>), reject })
    const submitted: SubmittedCommand<CommandIn<T>> = { id: this.#count, command, at: this.#now() }
    this.#count += 1
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
    this.#port.postMessage(submitted)
    return promise
  }

  catchUp(): void {
    const commits = Atomics.load(this.#commits, 0)
    if (commits === this.#caughtUp) return
    this.#caughtUp = commits
    this.#drain()
  }

  /** Waits for all outcomes and closes the port. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#waiting.size > 0)
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    this.#port.close()
  }

  /** Drains the port and returns whether every command has its outcome. */
  isSettled(): boolean {
    this.#drain()
    return this.#waiting.size === 0
  }

  #drain(): void {
    for (
      let received = receiveMessageOnPort(this.#port);
      received !== undefined;
      received = receiveMessageOnPort(this.#port)
    )
      this.#receive(received.message as WriterMessage)
  }

  #receive(message: WriterMessage): void {
    if (message.kind === 'committed') {
      for (const listener of this.#listeners) listener(message.entries, message.commit)
      return
    }
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.kind === 'done') waiting?.resolve(message.outcome)
    else waiting?.reject(unpackError(message.error))
    if (this.#waiting.size === 0) this.#onIdle?.()
  }
}
