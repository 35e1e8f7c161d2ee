import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { UNDER_WAY } from './one-at-a-time.ts'

const REFUSAL =
  'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'
/** Connections beyond the limit that are told so at a time; more are closed without a word. */
const MOST_REFUSED = 16
const LONGEST_GOODBYE_MS = 1_000

/**
 * Keeps the connections of a server to a number, which is asked for when the server begins to listen. A new one takes the place of the
 * oldest on which nothing is under way, so that clients which keep connections and are silent shut nobody out. Where there is none, the
 * new one is answered 503.
 */
export function limitConnections(
  server: Server,
  most: () => number | undefined,
  onRefused: () => void,
): void {
  const listeners = server.listeners('connection')
  const open = new Set<Socket>()
  let limit = Infinity
  server.once('listening', () => {
    limit = most() ?? Infinity
    if (limit < Infinity) server.maxConnections = limit + MOST_REFUSED
  })
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    if (open.size >= limit && !closeIdle(open)) {
      onRefused()
      return refuse(socket)
    }
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    for (const listener of listeners) listener.call(server, socket)
  })
  server.on('drop', onRefused)
  // To node:http a connection is idle when its answer is made. A server that stops would cut off clients that have yet to take it.
  server.closeIdleConnections = () => {
    for (const socket of open) if (!isBusy(socket)) socket.destroy()
  }
}

/** Closes the oldest connection on which nothing is under way. Whether there was one. */
function closeIdle(open: Set<Socket>): boolean {
  for (const socket of open) {
    if (isBusy(socket)) continue
    socket.destroy()
    open.delete(socket)
    return true
  }
  return false
}

function isBusy(socket: Socket & { readonly [UNDER_WAY]?: unknown }): boolean {
  return (socket[UNDER_WAY] ?? undefined) !== undefined || socket.isPaused() || socket.writableLength > 0
}

/** What comes is read and thrown away, since closing a connection with unread bytes would take the answer with it. */
function refuse(socket: Socket): void {
  socket.on('error', () => socket.destroy())
  socket.resume()
  socket.end(REFUSAL)
  setTimeout(() => socket.destroy(), LONGEST_GOODBYE_MS).unref()
}
