import { once } from 'node:events'
import { extname } from 'node:path'
import { MessageChannel, Worker } from 'node:worker_threads'
import type { OpenedFile } from '../database/opened-files.ts'
import type { Command, CommandKind, Outcome } from '../commands/commands.ts'
import type { CommitListener, DepotWriter } from './writer.ts'
import { WriterClient } from './writer-client.ts'
import type { WriterPort } from './writer-client.ts'
import type { ParentMessage, PortReply } from './writer-thread.ts'

// The thread's file is next to this one, in the sources and in the build.
const THREAD = new URL(`./writer-thread${extname(import.meta.filename)}`, import.meta.url)

/**
 * A {@link Writer} in its own thread with its own connection, so that large changes and slow disks do not delay reads.
 * Other threads can join it. If the thread dies, the process dies too, because other threads may have missed the last
 * commit.
 */
export class ThreadedWriter implements DepotWriter {
  readonly #thread: Worker
  readonly #commits = new SharedArrayBuffer(Uint32Array.BYTES_PER_ELEMENT)
  readonly #own: WriterClient
  readonly #joining: ((port: WriterPort) => void)[] = []
  #isClosed = false

  /** Expects a migrated database. Refuses commits once a path in `files` no longer names the file that was opened. */
  constructor(file: string, files: readonly OpenedFile[], now: () => number) {
    this.#thread = new Worker(THREAD, {
      workerData: { file, at: now(), commits: this.#commits, files },
      execArgv: [],
    }) // without the parent's preloaded modules
    const { port1, port2 } = new MessageChannel()
    this.#own = new WriterClient({ port: port1, commits: this.#commits }, now)
    this.#own.start()
    this.#post({ kind: 'join', port: port2 })
    this.#thread.on('message', ({ port }: PortReply) =>
      this.#joining.shift()?.({ port, commits: this.#commits }),
    )
    this.#thread.on('exit', (code) => {
      if (!this.#own.isSettled() || !this.#isClosed)
        throw new Error(`the thread that writes ended with ${code}`)
    })
  }

  /** Opens a port for another thread. Reading the database after this, and every commit sent to the port, misses nothing. */
  join(): Promise<WriterPort> {
    const { promise, resolve } = Promise.withResolvers<WriterPort>()
    this.#joining.push(resolve)
    this.#post({ kind: 'port' })
    return promise
  }

  onCommit(listener: CommitListener): void {
    this.#own.onCommit(listener)
  }

  submit<K extends CommandKind>(command: Command<K>): Promise<Outcome<K>> {
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
