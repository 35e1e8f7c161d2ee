import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { CURRENT_RESPONSE } from './one-at-a-time.ts'

const REFUSAL =
  'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'
/**
 * How many connections beyond the limit get a 503 at a time. Further connections are closed without an
 * answer.
 */
const MAX_REFUSED_CONNECTIONS = 16
const MAX_CLOSE_MS = 1_000

/**
 * Limits the connections of a server. `maxConnections` is called when the server starts to listen. A new
 * connection replaces the oldest idle one, so that silent clients lock nobody out. If none is idle, the new
 * connection gets 503. `onRefused` is called for each connection that is refused.
 */
export function limitConnections(
  server: Server,
  maxConnections: () => number | undefined,
  onRefused: () => void,
): void {
  const listeners = server.listeners('connection')
  const open = new Set<Socket>()
  let limit = Infinity
  server.once('listening', () => {
    limit = maxConnections() ?? Infinity
    if (limit < Infinity) server.maxConnections = limit + MAX_REFUSED_CONNECTIONS
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
  // node:http considers a connection idle once its answer is produced. A stopping server would cut off
  // clients that are still receiving it.
  server.closeIdleConnections = () => {
    for (const socket of open) if (!isBusy(socket)) socket.destroy()
  }
}

/** Closes the oldest idle connection. Returns whether there was one. */
function closeIdle(open: Set<Socket>): boolean {
  for (const socket of open) {
    if (isBusy(socket)) continue
    socket.destroy()
    open.delete(socket)
    return true
  }
  return false
}

function isBusy(socket: Socket & { readonly [CURRENT_RESPONSE]?: unknown }): boolean {
  return (
    (socket[CURRENT_RESPONSE] ?? undefined) !== undefined || socket.isPaused() || socket.writableLength > 0
  )
}

/**
 * Answers 503 and discards what the client sends: closing a connection with unread bytes would lose the
 * answer.
 */
function refuse(socket: Socket): void {
  socket.on('error', () => socket.destroy())
  socket.resume()
  socket.end(REFUSAL)
  setTimeout(() => socket.destroy(), MAX_CLOSE_MS).unref()
}
