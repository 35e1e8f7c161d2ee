import type { IncomingMessage, Server } from 'node:http'

/** How much of a refused body is read, and for how long, before the connection is cut. */
export interface DrainLimits {
  readonly mostBytes: number
  readonly longestMs: number
}

const LIMITS: DrainLimits = { mostBytes: 64 * 1024 * 1024, longestMs: 10_000 }

/**
 * Lets a client that is still sending hear the answer it is about to be given. A connection that is closed with unread bytes on it
 * is reset, and the answer is lost on the way; reading all of a refused upload could take for ever. So, from now on, what comes is
 * read and thrown away; once the answer is out, our side of the connection is closed; and the rest of it when the client has
 * closed its side, or has sent all, or too much, or for too long (RFC 9112 9.6). The answer should say `Connection: close`.
 */
export function closeGently(request: IncomingMessage, limits: DrainLimits = LIMITS): void {
  const { socket } = request
  let left = limits.mostBytes
  request.removeAllListeners('newListener') // those of askBeforeSending: the body is not wanted any more
  request.unpipe()
  request.on('data', (piece: Buffer) => {
    left -= piece.length
    if (left < 0) socket.destroy()
  })
  request.resume()
  const deadline = setTimeout(() => socket.destroy(), limits.longestMs)
  socket.once('close', () => clearTimeout(deadline))
  // This is how the server of node:http closes a connection after its last answer.
  const destroySoon = socket.destroySoon.bind(socket)
  socket.destroySoon = () => {
    socket.end()
    if (request.complete) destroySoon()
    else request.once('end', destroySoon)
  }
}

/**
 * Tells a client that asks first (`Expect: 100-continue`) to go on when its body is wanted, so that one that is refused sends
 * nothing. By itself the server of node:http would tell every one at once.
 */
export function askBeforeSending(server: Server): void {
  server.on('checkContinue', (request, response) => {
    request.on('newListener', function goOn(event: string | symbol) {
      if (event !== 'data' && event !== 'readable') return
      request.off('newListener', goOn)
      response.writeContinue()
    })
    server.emit('request', request, response)
  })
}
