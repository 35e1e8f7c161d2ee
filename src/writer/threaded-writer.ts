import { once } from 'node:events'
import { MessageChannel, Worker } from 'node:worker_threads'
import type { DatabaseLocation } from '../config/database.ts'
import type { OpenedFile } from '../database/opened-files.ts'
import type { CommandIn, Handlers, KindIn, OutcomeIn } from './command-table.ts'
import type { AnyWriter, CommitListener } from './writer.ts'
import type { NodeEvent } from '../cluster/node.ts'
import { unpackError } from '../threads/thread-error.ts'
import { WriterClient } from './writer-client.ts'
import type { WriterPort } from './writer-client.ts'
import type { NodeStart, ParentMessage, ThreadReply, WriterStart } from './writer-thread.ts'

interface ThreadedWriterOptions {
  readonly database: DatabaseLocation
  readonly files: readonly OpenedFile[]
  readonly now: () => number
  /** Present if the database may have several nodes. */
  readonly node?: { readonly start: NodeStart; readonly onEvent: (event: NodeEvent) => void } | undefined
}

/**
 * A {@link Writer} in its own thread with its own connection, so that large changes and slow disks do not
 * delay reads. Other threads can join it. If the thread dies, the process dies too, because other threads may
 * have missed the last commit.
 */
export class ThreadedWriter<T extends Handlers> implements AnyWriter<T> {
  readonly #thread: Worker
  readonly #announced = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT)
  /** The client of the thread that started the writer. */
  readonly #own: WriterClient<T>
  /** Resolve the calls of `join` that wait for their ports, oldest first. */
  readonly #joining: ((port: WriterPort) => void)[] = []
  readonly #joinedNodes = Promise.withResolvers<void>()
  #isClosed = false

  /**
   * Starts the thread. `entry` is a module that calls {@link runWriterThread} with the table of `T`. The
   * database must be migrated. The writer refuses commits once a path in `files` no longer names the file
   * that was opened.
   */
  constructor(entry: URL, { database, files, now, node }: ThreadedWriterOptions) {
    const start: WriterStart = { database, at: now(), announced: this.#announced, files, node: node?.start }
    this.#thread = new Worker(entry, { workerData: start, execArgv: [] }) // without the parent's preloaded modules
    const { port1, port2 } = new MessageChannel()
    this.#own = new WriterClient({ port: port1, announced: this.#announced }, now)
    this.#own.start()
    this.#post({ kind: 'join', port: port2 })
    this.#thread.on('message', (reply: ThreadReply) => {
      if (reply.kind === 'port') this.#joining.shift()?.({ port: reply.port, announced: this.#announced })
      else if (reply.kind === 'node') node?.onEvent(reply.event)
      else if (reply.error === undefined) this.#joinedNodes.resolve()
      else this.#joinedNodes.reject(unpackError(reply.error))
    })
    this.#thread.on('exit', (code) => {
      if (!this.#own.isSettled() || !this.#isClosed) throw new Error(`the writer's thread ended with ${code}`)
    })
  }

  /**
   * Opens a port for another thread. A thread that first receives the port and then reads the ledger misses
   * no entry: the port announces every later one.
   */
  join(): Promise<WriterPort> {
    const { promise, resolve } = Promise.withResolvers<WriterPort>()
    this.#joining.push(resolve)
    this.#post({ kind: 'port' })
    return promise
  }

  /**
   * Takes the lease under which this process answers from memory, and begins to follow other nodes. Rejects
   * if the database cannot be reached. Call it when everything else is loaded.
   */
  joinNodes(): Promise<void> {
    this.#post({ kind: 'join nodes' })
    return this.#joinedNodes.promise
  }

  onAnnouncement(listener: CommitListener): void {
    this.#own.onAnnouncement(listener)
  }

  submit<K extends KindIn<T>>(command: CommandIn<T, K>): Promise<OutcomeIn<T, K>> {
    return this.#own.submit(command)
  }

  catchUp(): void {
    this.#own.catchUp()
  }

  /** Closes the writer. The other threads must have closed their ports. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const gone = once(this.#thread, 'exit')
    await this.#own.close()
    this.#post({ kind: 'close' })
    await gone
  }

  #post(message: ParentMessage): void {
    this.#thread.postMessage(message, message.kind === 'join' ? [message.port] : [])
  }
}
