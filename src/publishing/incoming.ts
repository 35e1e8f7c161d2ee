import { PassThrough, finished } from 'node:stream'
import type { Readable } from 'node:stream'
import type { Limits } from '../depot/limits.ts'
import { DepotError } from '../errors.ts'

/** The slowest pace at which a client may send a body. */
export type BodyPace = Pick<Limits, 'uploadIdleMs' | 'bodyGraceMs' | 'minBodyBytesPerSecond'>

/**
 * Returns the body of a request as a stream. Errors call the body `what`. `take` is called with the size of
 * each chunk, and the stream fails with what it throws. The stream also fails
 * - with `stalled` when nothing arrives for a while, or when the body takes longer than the grace period plus
 *   the time that its bytes need at the lowest rate,
 * - with `length_mismatch` when the client leaves early.
 *
 * The stream stands between the request and its reader because a reader that gives up destroys its source,
 * and destroying the request would lose the answer.
 */
export function incoming(
  source: Readable,
  what: string,
  pace: BodyPace,
  take?: (bytes: number) => void,
): Readable {
  const relay = new PassThrough()
  const stall = setTimeout(() => {
    if (relay.writableNeedDrain) stall.refresh() // the depot is slow, not the client
    else relay.destroy(new DepotError('stalled', `no data of ${what} arrived for ${pace.uploadIdleMs} ms`))
  }, pace.uploadIdleMs).unref() // does not delay the end of the process for a body that is never read
  const stopPacing = enforcePace(source, relay, what, pace)
  source.on('data', (chunk: Buffer) => {
    stall.refresh()
    if (relay.destroyed) return
    try {
      take?.(chunk.length)
    } catch (error) {
      relay.destroy(
        error instanceof Error ? error : new Error('a chunk of the body was refused', { cause: error }),
      )
    }
  })
  source.pipe(relay)
  finished(source, { writable: false }, (error) => {
    clearTimeout(stall)
    stopPacing()
    if (error)
      relay.destroy(
        new DepotError('length_mismatch', `${what} ended before its announced end`, { cause: error }),
      )
  })
  relay.on('error', () => undefined) // the reader gets the error; without a reader it must not end the process
  relay.once('close', () => {
    clearTimeout(stall)
    stopPacing()
    source.unpipe(relay)
  })
  return relay
}

/** Destroys the relay when the average rate is too low. The returned function stops this. */
function enforcePace(
  source: Readable,
  relay: PassThrough,
  what: string,
  { bodyGraceMs, minBodyBytesPerSecond }: BodyPace,
): () => void {
  let received = 0
  let elapsedMs = 0
  let timer: NodeJS.Timeout | undefined
  const checkAfter = (afterMs: number) => {
    timer = setTimeout(() => {
      if (!relay.writableNeedDrain) elapsedMs += afterMs // otherwise the depot is slow
      const leftMs = bodyGraceMs + (received / minBodyBytesPerSecond) * 1_000 - elapsedMs
      if (leftMs > 0) checkAfter(Math.ceil(Math.min(leftMs, bodyGraceMs)))
      else
        relay.destroy(
          new DepotError(
            'stalled',
            `${what} arrives too slowly: ${received} bytes in ${elapsedMs} ms; the minimum is ${minBodyBytesPerSecond} bytes a second`,
          ),
        )
    }, afterMs).unref()
  }
  checkAfter(bodyGraceMs)
  source.on('data', (chunk: Buffer) => (received += chunk.length))
  return () => clearTimeout(timer)
}

/** Reads a short text, for example a key file. Throws `too_large`, and the errors of {@link incoming}. */
export async function incomingText(
  source: Readable,
  what: string,
  {
    maxBytes,
    take,
    ...pace
  }: BodyPace & { readonly maxBytes: number; readonly take?: (bytes: number) => void },
): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming(source, what, pace, take) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) throw new DepotError('too_large', `${what} is larger than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
