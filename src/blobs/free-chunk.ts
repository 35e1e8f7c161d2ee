/**
 * Frees the bytes of a chunk immediately, by a transfer to a buffer of length 0. The garbage collector frees
 * them late, so tens of megabytes can pile up. A chunk that shares its buffer with others is left to the
 * collector; chunks of sockets and of blobs own their buffers.
 */
export function freeChunk(chunk: Buffer): void {
  if (chunk.buffer instanceof ArrayBuffer && chunk.buffer.byteLength === chunk.length)
    chunk.buffer.transfer(0)
}
