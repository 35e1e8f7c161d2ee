import { once } from 'node:events'
import { extname } from 'node:path'
import { MessageChannel, Worker } from 'node:worker_threads'
import type { OpenedFile } from '../database/opened-files.ts'
import type { Command, CommandKind, Outcome } from '../commands/commands.ts'
import type { CommitListener, DepotWriter } from './writer.ts'
import { WriterClient } from './writer-client.ts'
import type { WriterPort } from './writer-client.ts'
import type { ParentMessage, PortReply } from './writer-thread.ts'

// Beside this file, whether that is the source or what was built from it.
const THREAD = new URL(`./writer-thread${extname(import.meta.filename)}`, import.meta.url)

/**
 * A {@link Writer} in a thread of its own, with its own connection: no change, however large, and no wait for the disk is in the way of
 * who reads. Other threads may take part. Should the thread die, what it committed last may not have been heard of; so the process dies
 * with it.
 */
export class ThreadedWriter implements DepotWriter {
  readonly #thread: Worker
  readonly #commits = new SharedArrayBuffer(Uint32Array.BYTES_PER_ELEMENT)
  readonly #own: WriterClient
  readonly #joining: ((port: WriterPort) => void)[] = []
  #isClosed = false

  /** Of a database that is migrated. Nothing is committed unless the paths of `files` still name what was opened. */
  constructor(file: string, files: readonly OpenedFile[], now: () => number) {
    this.#thread = new Worker(THREAD, {
      workerData: { file, at: now(), commits: this.#commits, files },
      execArgv: [],
    }) // what its parent preloads is no concern of it
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

  /** A seat for another thread: a database that is read once it is there, and what is heard from then on, leave nothing out. */
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

  /** Once the seats of other threads are given up. */
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
