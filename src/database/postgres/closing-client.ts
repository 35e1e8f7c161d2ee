import { Socket } from 'node:net'
import { Client } from 'pg'
import type { ClientConfig } from 'pg'

/** How long the server may take to end a connection. */
const CLOSE_MS = 3_000

/**
 * A client of PostgreSQL that closes its socket if the server does not. Otherwise, a network that carries
 * nothing would keep a process from ending for a quarter of an hour, until the system gives up the
 * connection.
 */
export class ClosingClient extends Client {
  readonly #socket: Socket

  constructor(config: ClientConfig) {
    const socket = new Socket()
    super({ ...config, stream: () => socket })
    this.#socket = socket
  }

  override end(): Promise<void>
  override end(callback: (error: Error) => void): void
  override end(callback?: (error: Error) => void): Promise<void> | void {
    const timer = setTimeout(() => this.#socket.destroy(), CLOSE_MS).unref() // an open socket is enough to wait
    this.#socket.once('close', () => clearTimeout(timer))
    return callback === undefined ? super.end() : super.end(callback)
  }
}
