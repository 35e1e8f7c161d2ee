import { PassThrough, finished } from 'node:stream'
import type { Readable } from 'node:stream'
import type { Limits } from '../../depot/open.ts'
import { DepotError } from '../../errors.ts'

/** How slowly a client may send a body. */
export type BodyPace = Pick<Limits, 'uploadIdleMs' | 'bodyGraceMs' | 'leastBodyBytesPerSecond'>

/**
 * What a client sends of `what`, from now on. The stream fails with `stalled` when nothing more comes for a while, or when all of it takes
 * longer than the grace period and the time that so many bytes need at the lowest rate; and with `length_mismatch` when the client
 * leaves early, and with what `take` throws, which is told of each piece. It stands between the request and its reader because a reader that gives up destroys what it reads, and a request
 * that is destroyed takes the answer with it.
 */
export function incoming(
  source: Readable,
  what: string,
  pace: BodyPace,
  take?: (bytes: number) => void,
): Readable {
  const relay = new PassThrough()
  const stall = setTimeout(() => {
    if (relay.writableNeedDrain) stall.refresh() // it is we who are slow
    else relay.destroy(new DepotError('stalled', `nothing more of ${what} came for ${pace.uploadIdleMs} ms`))
  }, pace.uploadIdleMs).unref() // a body that is refused unread keeps nobody waiting
  const forgetPace = keepPace(source, relay, what, pace)
  source.on('data', (piece: Buffer) => {
    stall.refresh()
    if (relay.destroyed) return
    try {
      take?.(piece.length)
    } catch (error) {
      relay.destroy(
        error instanceof Error ? error : new Error('a piece could not be taken', { cause: error }),
      )
    }
  })
  source.pipe(relay)
  finished(source, { writable: false }, (error) => {
    clearTimeout(stall)
    forgetPace()
    if (error)
      relay.destroy(
        new DepotError('length_mismatch', `${what} ended before its announced end`, { cause: error }),
      )
  })
  relay.on('error', () => undefined) // who reads hears of it; where nobody does, it must not end the process
  relay.once('close', () => {
    clearTimeout(stall)
    forgetPace()
    source.unpipe(relay)
  })
  return relay
}

/** Destroys the relay when its bytes come too slowly on the whole. Ends with the call of what is returned. */
function keepPace(
  source: Readable,
  relay: PassThrough,
  what: string,
  { bodyGraceMs, leastBodyBytesPerSecond }: BodyPace,
): () => void {
  let received = 0
  let elapsedMs = 0
  let timer: NodeJS.Timeout | undefined
  const look = (afterMs: number) => {
    timer = setTimeout(() => {
      if (!relay.writableNeedDrain) elapsedMs += afterMs // otherwise it is we who are slow
      const leftMs = bodyGraceMs + (received / leastBodyBytesPerSecond) * 1_000 - elapsedMs
      if (leftMs > 0) look(Math.ceil(Math.min(leftMs, bodyGraceMs)))
      else
        relay.destroy(
          new DepotError(
            'stalled',
            `${what} comes too slowly: ${received} bytes in ${elapsedMs} ms, where ${leastBodyBytesPerSecond} a second are the least`,
          ),
        )
    }, afterMs).unref()
  }
  look(bodyGraceMs)
  source.on('data', (piece: Buffer) => (received += piece.length))
  return () => clearTimeout(timer)
}

/** Reads a short text, such as a key file. Throws `too_large`, and what {@link incoming} does. */
export async function incomingText(
  source: Readable,
  what: string,
  {
    mostBytes,
    take,
    ...pace
  }: BodyPace & { readonly mostBytes: number; readonly take?: (bytes: number) => void },
): Promise<string> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of incoming(source, what, pace, take) as AsyncIterable<Buffer>) {
    size += piece.length
    if (size > mostBytes) throw new DepotError('too_large', `${what} is larger than ${mostBytes} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
