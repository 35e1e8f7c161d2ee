import type { IncomingMessage } from 'node:http'

const MOST_BYTES = 64 * 1024 * 1024
const LONGEST_MS = 10_000

/**
 * Lets a client that is still sending hear the answer it was given early. Closing a connection with unread bytes on it makes the
 * kernel drop the answer, and reading all of a refused upload could take for ever: so the rest is read and thrown away, up to a
 * number of bytes and for a while; then the connection is closed.
 */
export function drainRefused(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return
  let left = MOST_BYTES
  const deadline = setTimeout(() => request.socket.destroy(), LONGEST_MS)
  request.on('data', (piece: Buffer) => {
    left -= piece.length
    if (left < 0) request.socket.destroy()
  })
  request.once('close', () => clearTimeout(deadline))
  request.once('end', () => clearTimeout(deadline))
  request.resume()
}
