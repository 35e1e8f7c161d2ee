import xz from 'xz-decompress'
import { DepotError } from '../errors.ts'
import type { PayloadFile } from './payload-file.ts'

// xz-decompress is xz-embedded in WebAssembly behind a web stream. It reads one stream, which is all
// that a walked file holds; it takes the end of its input badly, which the walk has excluded; it computes the checks of the blocks. Its
// memory holds the dictionary and two buffers of 64 KiB, and does not shrink again.

const FEED_BYTES = 65536

/** Window that the file needs, at least. */
export const DECODE_WINDOW_BYTES = FEED_BYTES

/**
 * Unpacks a file that was walked. What comes out goes to `output` in pieces of at most 64 KiB that are good only during the call; once
 * it answers `'enough'` no more is decoded. Throws `hart_malformed` when the data is damaged.
 */
export async function decodeXz(
  file: PayloadFile,
  output: (bytes: Uint8Array) => 'more' | 'enough',
): Promise<void> {
  const reader = new xz.XzReadableStream(feed(file)).getReader()
  try {
    for (let piece = await next(reader); piece !== undefined; piece = await next(reader)) {
      const wanted = output(piece)
      free(piece)
      if (wanted === 'enough') return
    }
  } finally {
    // The decoder has one context, and the next file waits until it is given back. After a failure it is, and this only repeats
    // the failure that is on its way already.
    await reader.cancel().catch(() => undefined)
  }
}

// Each piece is a buffer of its own. Left to the garbage collector, which does not feel their weight, a hundred megabytes of them
// pile up; moved into a buffer of no length, the bytes are given back at once.
function free(piece: Uint8Array): void {
  if (piece.buffer instanceof ArrayBuffer) piece.buffer.transfer(0)
}

// Nothing is read ahead: the decoder copies each piece before it asks for the next, which the same window will hold.
function feed(file: PayloadFile): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const bytes = file.bytes(at, Math.min(FEED_BYTES, file.sizeBytes - at))
        at += bytes.length
        if (bytes.length === 0) controller.close()
        else controller.enqueue(bytes)
      },
    },
    { highWaterMark: 0 },
  )
}

async function next(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | undefined> {
  try {
    const { value } = await reader.read()
    return value
  } catch (cause) {
    // The decoder's own words for a code of xz-embedded; what the disk says passes as it is.
    if (!(cause instanceof Error) || !cause.message.startsWith('get_next_output failed')) throw cause
    throw new DepotError('hart_malformed', 'its compressed archive is damaged in its data', { cause })
  }
}
