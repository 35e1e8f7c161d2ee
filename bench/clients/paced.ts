import { connect } from 'node:net'
import type { Socket } from 'node:net'

// Polls at a fixed rate from a process of its own, and measures each poll from the moment when it was due. So
// a stall counts for all polls that it delays, and not only for those in flight. `paced.ts` starts when it
// receives a {@link Pace}; after 'stop' it sends the milliseconds of each poll.

export interface Pace {
  readonly port: number
  /** Requested in turns. */
  readonly requests: readonly string[]
  readonly perSecond: number
  readonly connections: number
}

const HEAD_END = '\r\n\r\n'

process.on('message', (said: Pace | 'stop') => {
  if (said !== 'stop') stop = begin(said)
  else void stop().then((taken) => process.send?.(taken))
})
process.once('disconnect', () => process.exit())
let stop = async (): Promise<number[]> => []

function begin({ port, requests, perSecond, connections }: Pace): () => Promise<number[]> {
  const taken: number[] = []
  /** The due times of polls that wait for a free connection. */
  const waiting: number[] = []
  const free: Line[] = []
  const drained = Promise.withResolvers<void>()
  const begun = performance.now()
  let count = 0
  let isOver = false
  const lines = Array.from({ length: connections }, () =>
    openLine(port, (line, since) => {
      if (since !== undefined) taken.push(performance.now() - since)
      const due = waiting.shift()
      if (due !== undefined) line.ask(requests[taken.length % requests.length] ?? '', due)
      else free.push(line)
      if (isOver && free.length === connections) drained.resolve()
    }),
  )
  const tick = setInterval(() => {
    const now = performance.now()
    for (; begun + (count * 1000) / perSecond <= now; count += 1) {
      const line = free.shift()
      // A late timer is no stall of the server, so a poll that finds a free connection counts from now.
      if (line === undefined) waiting.push(begun + (count * 1000) / perSecond)
      else line.ask(requests[count % requests.length] ?? '', now)
    }
  }, 1)
  return async () => {
    clearInterval(tick)
    isOver = true
    if (free.length < connections) await drained.promise
    for (const line of lines) line.socket.destroy()
    return taken
  }
}

interface Line {
  readonly socket: Socket
  ask(request: string, since: number): void
}

/** A connection. `onFree` is called when it is open, and after each answer with the start of the poll. */
function openLine(port: number, onFree: (line: Line, since: number | undefined) => void): Line {
  const socket = connect(port, '127.0.0.1').setNoDelay()
  let since: number | undefined
  let received = ''
  const line: Line = {
    socket,
    ask(request, from) {
      since = from
      socket.write(request)
    },
  }
  socket.setEncoding('latin1')
  socket.on('connect', () => onFree(line, undefined))
  socket.on('data', (piece: string) => {
    received += piece
    const end = received.indexOf(HEAD_END)
    if (end === -1) return
    const length = Number(/^content-length: (\d+)\r$/im.exec(received.slice(0, end + 1))?.[1])
    if (!received.startsWith('HTTP/1.1 200 ')) throw new Error(`unexpected answer: ${received.slice(0, 200)}`)
    if (received.length < end + HEAD_END.length + length) return
    received = ''
    onFree(line, since)
  })
  return line
}
