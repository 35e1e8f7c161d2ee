import { PassThrough, finished } from 'node:stream'
import type { Readable } from 'node:stream'
import { DepotError } from '../errors.ts'

/**
 * What a client sends of `what`, from now on. The stream fails with `stalled` when nothing more comes for `idleMs`, and with
 * `length_mismatch` when the client leaves early. It stands between the request and its reader because a reader that gives up
 * destroys what it reads, and a request that is destroyed takes the answer with it.
 */
export function incoming(source: Readable, what: string, idleMs: number): Readable {
  const relay = new PassThrough()
  const stall = setTimeout(() => {
    if (relay.writableNeedDrain) stall.refresh() // it is we who are slow
    else relay.destroy(new DepotError('stalled', `nothing more of ${what} came for ${idleMs} ms`))
  }, idleMs).unref() // a body that is refused unread keeps nobody waiting
  source.on('data', () => stall.refresh())
  source.pipe(relay)
  finished(source, { writable: false }, (error) => {
    clearTimeout(stall)
    if (error) relay.destroy(new DepotError('length_mismatch', `${what} ended before its announced end`, { cause: error }))
  })
  relay.on('error', () => undefined) // who reads hears of it; where nobody does, it must not end the process
  relay.once('close', () => {
    clearTimeout(stall)
    source.unpipe(relay)
  })
  return relay
}

/** Reads a short text, such as a key file. Throws `too_large`, and what {@link incoming} does. */
export async function incomingText(source: Readable, what: string, limits: { mostBytes: number; idleMs: number }): Promise<string> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of incoming(source, what, limits.idleMs) as AsyncIterable<Buffer>) {
    size += piece.length
    if (size > limits.mostBytes) throw new DepotError('too_large', `${what} is larger than ${limits.mostBytes} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
