const LF = 0x0a
/** More than the number of a chunk that can be received. */
const MOST_DIGITS = 16
const LINE_END_BYTES = 2

/**
 * Finds the end of a chunked body (RFC 9112 7.1) in the pieces in which it comes. It judges nothing: what is malformed has no end here, and
 * the parser that gets the same bytes refuses it. Data is skipped by its length, so that nothing in it costs more than its size.
 */
export class ChunkedBody {
  #isInTrailer = false
  /** Data of the chunk that is still to come, with the end of its line. */
  #dataLeft = 0
  /** The beginning of a line whose end is still to come. */
  #line = ''

  /** How many bytes of the next piece belong to the body: all, or up to its end. */
  endIn(piece: Buffer): number {
    for (let at = 0; at < piece.length;) {
      if (this.#dataLeft > 0) {
        const skipped = Math.min(this.#dataLeft, piece.length - at)
        this.#dataLeft -= skipped
        at += skipped
        continue
      }
      const end = piece.indexOf(LF, at)
      const to = end === -1 ? piece.length : end
      this.#line += piece.toString('latin1', at, Math.min(to, at + MOST_DIGITS + 1 - this.#line.length))
      if (end === -1) return piece.length
      at = end + 1
      const line = this.#line
      this.#line = ''
      if (this.#isInTrailer && line === '\r') return at
      if (!this.#isInTrailer) this.#begin(line)
    }
    return piece.length
  }

  #begin(line: string): void {
    const [digits = ''] = /^[\da-f]*/i.exec(line) ?? []
    const sizeBytes = digits === '' ? Infinity : Number.parseInt(digits, 16)
    if (sizeBytes === 0) this.#isInTrailer = true
    else this.#dataLeft = sizeBytes + LINE_END_BYTES
  }
}
