import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { audienceOf } from '../../../access/access.ts'
import type { Caller } from '../../../access/access.ts'
import { isBehind } from '../../requests/behind.ts'
import { mayReadPoll } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'
import { answerPoll, mayBeUpstream, whenKnown } from './answer-poll.ts'
import { countPoll } from './count-poll.ts'
import { writePackage } from './package-reply.ts'
import type { PackageReply } from './package-reply.ts'
import { mayWantSentence, parsePollRequest } from './poll-request.ts'
import type { PollRequest } from './poll-request.ts'

/** An answer that was sent on the fast path. */
export interface FastAnswer {
  readonly url: string
  readonly status: 200 | 304 | 404
  readonly bodyBytes: number
  readonly ms: number
  readonly caller: Caller
}

/** The reply to a poll, and its caller for the log. */
interface Answered {
  readonly reply: PackageReply
  readonly caller: Caller
}

/**
 * Answers polls directly from the socket, without the HTTP parser, routing and streams of node:http, at half
 * the cost. Each connection starts here and stays as long as each chunk that arrives is one complete poll.
 * The first chunk that is not a simple poll hands the connection to node:http for good. Answers other than
 * 200, 304 or 404 (a missing or wrong token, an internal error) are handed over, too, because errors are
 * formatted in only one place, and so are polls without a release that upstream may answer or that get a
 * sentence.
 */
export class FastPath {
  readonly #server: Server
  readonly #context: RouteContext
  readonly #onAnswer: (answer: FastAnswer) => void
  readonly #handOver: (this: Server, socket: Socket) => void
  readonly #sockets = new Set<Socket>()
  readonly #busy = new Set<Socket>()
  #isStopping = false
  /** The `Date` header for the second in `#second`. All polls in that second share it. */
  #date = ''
  #second = 0

  /** Takes over the new connections of a server. */
  constructor(server: Server, context: RouteContext, onAnswer: (answer: FastAnswer) => void) {
    this.#server = server
    this.#context = context
    this.#onAnswer = onAnswer
    const [ordinary] = server.listeners('connection')
    if (ordinary === undefined) throw new Error('the server has no connection listener')
    this.#handOver = ordinary
    server.removeAllListeners('connection')
    server.on('connection', (socket: Socket) => this.#take(socket))
  }

  /** Closes each connection once it is idle. */
  stop(): void {
    this.#isStopping = true
    for (const socket of this.#sockets) {
      if (this.#busy.has(socket)) continue
      if (socket.writableLength === 0) socket.destroy()
      else socket.end(() => process.nextTick(destroy, socket))
    }
  }

  #take(socket: Socket): void {
    let hasEnded = false
    const sendLater = async (
      chunk: Buffer,
      request: PollRequest,
      reply: Promise<Answered | undefined>,
      begun: number,
    ) => {
      this.#busy.add(socket)
      socket.pause() // keeps the order of later chunks
      const known = await reply.finally(() => this.#busy.delete(socket))
      if (socket.destroyed) return
      if (known === undefined) return handOver(chunk)
      this.#send(socket, hasEnded ? { ...request, isLast: true } : request, known, begun)
      if (!socket.writableNeedDrain) socket.resume()
    }
    const onData = (chunk: Buffer) => {
      const begun = performance.now()
      const request = this.#isStopping || isBehind(this.#context.depot) ? undefined : parsePollRequest(chunk)
      if (request === undefined) return handOver(chunk)
      try {
        const reply = this.#reply(request)
        if (reply === undefined) return handOver(chunk)
        if (!(reply instanceof Promise)) return this.#send(socket, request, reply, begun)
        void sendLater(chunk, request, reply, begun).catch(() =>
          socket.destroyed ? undefined : handOver(chunk),
        )
      } catch {
        handOver(chunk)
      }
    }
    const onEnd = () => {
      hasEnded = true
      if (!this.#busy.has(socket)) socket.end()
    }
    const onTimeout = () => {
      if (!this.#busy.has(socket)) socket.destroy()
    }
    const onError = () => void socket.destroy()
    const onClose = () => {
      this.#sockets.delete(socket)
      this.#busy.delete(socket)
    }
    const handOver = (chunk: Buffer) => {
      this.#sockets.delete(socket)
      socket.setTimeout(0)
      socket
        .off('data', onData)
        .off('end', onEnd)
        .off('timeout', onTimeout)
        .off('error', onError)
        .off('close', onClose)
      this.#handOver.call(this.#server, socket)
      if (hasEnded) {
        // The stream has ended, so nothing can be put back.
        socket.emit('data', chunk)
        socket.emit('end')
        return
      }
      socket.unshift(chunk)
      socket.resume()
    }
    this.#sockets.add(socket)
    socket
      .on('data', onData)
      .on('end', onEnd)
      .on('timeout', onTimeout)
      .on('error', onError)
      .on('close', onClose)
    socket.setTimeout(this.#server.keepAliveTimeout)
  }

  /**
   * Reads missed commits, and answers a poll. Returns `undefined`, or a promise of it, for polls that are
   * left to node:http: those below the URL of a view that is not open, those of a caller who may not read
   * there, and those without a release that upstream may answer or that get a sentence.
   */
  #reply(request: PollRequest): Answered | undefined | Promise<Answered | undefined> {
    const behind = this.#context.depot.follower.catchUp()
    if (behind === undefined) return this.#answer(request)
    return behind.then(() => this.#answer(request))
  }

  #answer(request: PollRequest): Answered | undefined | Promise<Answered | undefined> {
    const { answers, depot } = this.#context
    const { poll, authorization } = request
    if (poll.view !== undefined && !answers.isOpen(poll.view)) return undefined
    return whenKnown(depot.authenticator.identify(authorization), (caller) => {
      const { anonymous } = depot.config
      if (!mayReadPoll(caller, poll, anonymous)) return undefined
      const answer = answerPoll(answers, poll, { audience: audienceOf(caller), anonymous })
      return whenKnown(answer, (reply) =>
        reply.found === undefined && (mayBeUpstream(depot, poll) || mayWantSentence(request))
          ? undefined
          : { reply, caller },
      )
    })
  }

  #send(
    socket: Socket,
    { poll, url, ifNoneMatch, forwardedFor, isLast }: PollRequest,
    { reply, caller }: Answered,
    begun: number,
  ): void {
    countPoll(this.#context, poll, reply, { source: socket, forwardedFor })
    const closes = isLast || this.#isStopping
    const connection = closes
      ? 'Connection: close\r\n'
      : `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(this.#server.keepAliveTimeout / 1000)}\r\n`
    const { status, bytes } = writePackage(reply, { date: this.#httpDate(), ifNoneMatch, connection })
    if (closes) {
      // Destroys the socket once its bytes are written, without shutdown(), which would be another system
      // call. The callback of write() must not destroy it at once: node:net would report an error for pending
      // writes.
      socket.write(bytes, () => process.nextTick(destroy, socket))
    } else if (!socket.write(bytes)) {
      socket.pause() // reads no further requests until the client reads its answers
      socket.once('drain', () => socket.resume())
    }
    this.#onAnswer({
      url,
      status,
      bodyBytes: status === 200 ? (reply.found?.body.length ?? 0) : 0,
      ms: performance.now() - begun,
      caller,
    })
  }

  #httpDate(): string {
    const now = Date.now()
    const second = Math.floor(now / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#date = new Date(now).toUTCString()
    }
    return this.#date
  }
}

function destroy(socket: Socket): void {
  socket.destroy()
}
