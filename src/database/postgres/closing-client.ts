import { Socket } from 'node:net'
import { Client } from 'pg'
import type { ClientConfig } from 'pg'

/** How long the server may take to end a connection. */
const CLOSE_MS = 3_000

/**
 * A client of PostgreSQL that closes its socket if the server does not. Otherwise, on a network that carries
 * nothing, a process could not end before the system gives up the connection, which takes a quarter of an
 * hour.
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
    // Only the open socket keeps the process waiting, not the timer.
    const timer = setTimeout(() => this.#socket.destroy(), CLOSE_MS).unref()
    this.#socket.once('close', () => clearTimeout(timer))
    return callback === undefined ? super.end() : super.end(callback)
  }
}
