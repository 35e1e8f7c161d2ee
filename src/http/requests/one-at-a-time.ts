import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { ChunkedBody } from './chunked-body.ts'

/** The property in which node:http keeps the current response of a connection. */
export const CURRENT_RESPONSE = '_httpMessage'
/** The property that node:http sets while it has stopped reading. Its parser must get no bytes then. */
const PAUSED = '_paused'

interface HttpSocket extends Socket {
  readonly [CURRENT_RESPONSE]?: ServerResponse | null
  readonly [PAUSED]?: boolean
}

const LARGE_PIECE_BYTES = 16 * 1024
const END_OF_HEAD = '\r\n\r\n'
const MAX_TAIL_BYTES = END_OF_HEAD.length - 1
const NOTHING: Buffer = Buffer.alloc(0)
const [CR, LF] = [0x0d, 0x0a]

/**
 * Makes a server parse the next request of a connection only after the kernel has the previous answer.
 * node:http would parse everything that arrives in one piece: 64 KiB hold more than a thousand requests,
 * whose answers would wait in memory for a client that may never read them. A request is answered even if the
 * bytes after it are malformed. A client may close its sending side once it has sent its request.
 */
export function answerOneAtATime(server: Server & { httpAllowHalfOpen?: boolean }): void {
  server.httpAllowHalfOpen = true
  const [ordinary] = server.listeners('connection')
  if (ordinary === undefined) throw new Error('the server has no connection listener')
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    ordinary.call(server, socket)
    const [parse] = socket.listeners('data')
    if (parse === undefined) throw new Error('node:http does not listen for data')
    const connection = new Connection(socket, (piece) => parse.call(socket, piece))
    socket.off('data', parse as (piece: NonSharedBuffer) => void)
    socket.on('data', (piece: NonSharedBuffer) => connection.take(piece)) // a listener stops node:http from reading the handle directly
  })
}

/**
 * Feeds the parser of node:http from a socket. A piece is cut where a request may end. The rest goes back
 * into the stream, which is paused until the answer is sent.
 */
class Connection {
  readonly #socket: HttpSocket
  readonly #parse: (piece: NonSharedBuffer) => void
  /** The last response that began before its request had arrived completely. */
  #response: ServerResponse | undefined
  /**
   * The response that has a listener for its end. Most requests need no listener, because they arrive whole
   * and no other request follows in the same piece.
   */
  #awaited: ServerResponse | undefined
  /** How many bytes of the body are still to come, if its length was announced. */
  #bodyLeft = 0
  #chunks: ChunkedBody | undefined
  /** The last parsed bytes of a head, which may contain the start of its end. */
  #tail = NOTHING
  #hasPutBack = false
  /** Whether other connections get a turn before the bytes that were put back are parsed. */
  #isYielding = false

  constructor(socket: Socket, parse: (piece: NonSharedBuffer) => void) {
    this.#socket = socket
    this.#parse = parse
  }

  take(piece: NonSharedBuffer): void {
    const socket = this.#socket
    if (socket.writableEnded && this.#response?.req.complete !== false) return // nothing is read after the last answer
    if (this.#isBusy()) return this.#putBack(piece)
    const end = this.#endOf(piece)
    this.#parse(end < piece.length ? piece.subarray(0, end) : piece)
    const response = socket[CURRENT_RESPONSE]
    if (response?.req.complete === false && response !== this.#response) this.#begin(response)
    if (end === piece.length) return free(piece)
    const isPaused = socket.isPaused()
    this.#putBack(piece.subarray(end))
    if (!isPaused && !this.#isBusy()) socket.resume()
  }

  #begin(response: ServerResponse): void {
    this.#response = response
    const { headers } = response.req
    this.#chunks = headers['transfer-encoding'] === undefined ? undefined : new ChunkedBody()
    this.#bodyLeft = Number(headers['content-length'] ?? 0)
    this.#await(response)
  }

  #await(response: ServerResponse): void {
    if (response === this.#awaited) return
    this.#awaited = response
    response.once('finish', () => {
      this.#awaited = undefined
      if (response.req.complete) this.#response = undefined
      if (this.#hasPutBack) this.#yield()
      else this.#socket.resume()
    })
  }

  #isBusy(): boolean {
    const { [CURRENT_RESPONSE]: response, [PAUSED]: isPaused } = this.#socket
    return (
      this.#isYielding ||
      isPaused === true ||
      (response !== null && response !== undefined && response.req.complete)
    )
  }

  /**
   * Continues in the next turn of the event loop. Otherwise a client with many waiting requests would delay
   * all others.
   */
  #yield(): void {
    if (this.#isYielding) return
    this.#isYielding = true
    setImmediate(() => {
      this.#isYielding = false
      this.#hasPutBack = false
      this.#socket.resume()
    })
  }

  #putBack(piece: NonSharedBuffer): void {
    this.#hasPutBack = true
    this.#socket.pause()
    this.#socket.unshift(piece)
    const response = this.#socket[CURRENT_RESPONSE]
    if (response !== null && response !== undefined) this.#await(response)
  }

  /** Returns how much of a piece belongs to one request: up to the end of its head or body. */
  #endOf(piece: Buffer): number {
    if (this.#response?.req.complete === false) {
      if (this.#chunks !== undefined) return this.#chunks.endIn(piece)
      const end = Math.min(this.#bodyLeft, piece.length)
      this.#bodyLeft -= end
      return end
    }
    const tail = this.#tail
    this.#tail = NOTHING
    const start = tail.length === 0 ? blankAtStart(piece) : 0
    if (start === piece.length) return start
    const seam = tail.length === 0 ? piece : Buffer.concat([tail, piece.subarray(0, MAX_TAIL_BYTES)])
    const inSeam = tail.length === 0 ? -1 : seam.indexOf(END_OF_HEAD, 0, 'latin1')
    if (inSeam !== -1) return inSeam + END_OF_HEAD.length - tail.length
    const at = piece.indexOf(END_OF_HEAD, start, 'latin1')
    if (at !== -1) return at + END_OF_HEAD.length
    this.#tail = Buffer.from((piece.length < MAX_TAIL_BYTES ? seam : piece).subarray(-MAX_TAIL_BYTES))
    return piece.length
  }
}

/** Counts the line breaks before a request, which the parser skips (RFC 9112 2.2). */
function blankAtStart(piece: Buffer): number {
  let at = 0
  while (at < piece.length && (piece[at] === CR || piece[at] === LF)) at += 1
  return at
}

/**
 * Frees the memory of a large piece at once. The parser has copied what it needs, and waiting for the garbage
 * collector would let tens of megabytes of an upload pile up.
 */
function free(piece: NonSharedBuffer): void {
  if (piece.length >= LARGE_PIECE_BYTES && piece.buffer.byteLength === piece.length) piece.buffer.transfer(0)
}
