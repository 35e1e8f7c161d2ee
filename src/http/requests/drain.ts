import type { IncomingMessage, Server } from 'node:http'

/** Limits for reading a refused body before the connection is cut. */
export interface DrainLimits {
  readonly maxBytes: number
  readonly maxMs: number
}

const LIMITS: DrainLimits = { maxBytes: 64 * 1024 * 1024, maxMs: 10_000 }

/**
 * Lets a client that is still sending receive the answer. Closing a connection with unread bytes resets it
 * and loses the answer; reading all of a refused upload could take forever. So the rest of the body is read
 * and discarded. Once the answer is sent, our side is closed, and the connection ends when the client closes
 * its side, has sent everything, or reaches a limit (RFC 9112 9.6). The answer should say `Connection:
 * close`.
 */
export function closeGently(request: IncomingMessage, limits: DrainLimits = LIMITS): void {
  const { socket } = request
  let left = limits.maxBytes
  request.removeAllListeners('newListener') // removes the listener of askBeforeSending: the body is no longer wanted
  request.unpipe()
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) socket.destroy()
  })
  request.resume()
  const deadline = setTimeout(() => socket.destroy(), limits.maxMs)
  socket.once('close', () => clearTimeout(deadline))
  // node:http calls destroySoon to close a connection after its last answer.
  const destroySoon = socket.destroySoon.bind(socket)
  socket.destroySoon = () => {
    socket.end()
    if (request.complete) destroySoon()
    else request.once('end', destroySoon)
  }
}

/**
 * Sends `100 Continue` only when a handler starts to read the body, so that a refused client sends nothing.
 * By itself node:http sends it at once.
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
