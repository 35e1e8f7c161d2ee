import type { IncomingMessage, Server } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { hasBody } from './request.ts'

/** Limits for reading a refused body before the connection is cut. */
export interface DrainLimits {
  readonly maxBytes: number
  readonly maxMs: number
}

const LIMITS: DrainLimits = { maxBytes: 64 * 1024 * 1024, maxMs: 10_000 }

/** Lets a client that is still sending its body receive the answer, and then closes the connection. */
export function closeIfSending(request: FastifyRequest, reply: FastifyReply): void {
  const { complete } = request.raw as { complete?: boolean } // absent from injected requests
  // A request without a body counts as incomplete when its answer is sent at once.
  if (complete !== false || !hasBody(request)) return
  reply.header('connection', 'close')
  closeGently(request.raw)
}

/**
 * Lets a client that is still sending receive the answer. If a connection is closed with unread bytes, it is
 * reset and the answer is lost. So the rest of the body is read and discarded, within limits. After the
 * answer, the depot closes its side; the connection ends when the client closes the other side, has sent
 * everything, or reaches a limit (RFC 9112 9.6). The answer must have `Connection: close`.
 */
export function closeGently(request: IncomingMessage, limits: DrainLimits = LIMITS): void {
  const { socket } = request
  let left = limits.maxBytes
  request.removeAllListeners('newListener') // removes the listener of sendContinueOnRead: the body is no longer wanted
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
 * Sends `100 Continue` only when a handler starts to read the body, so that a refused client sends no body.
 * node:http would send it immediately.
 */
export function sendContinueOnRead(server: Server): void {
  server.on('checkContinue', (request, response) => {
    request.on('newListener', function continueOnRead(event: string | symbol) {
      if (event !== 'data' && event !== 'readable') return
      request.off('newListener', continueOnRead)
      response.writeContinue()
    })
    server.emit('request', request, response)
  })
}
