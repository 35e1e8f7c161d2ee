const LF = 0x0a
/**
 * The maximum number of characters of a line that are kept. The size of a chunk that fits on any disk has
 * fewer digits.
 */
const MAX_SIZE_LINE_LENGTH = 16
const LINE_END_BYTES = 2

/**
 * Finds the end of a chunked body (RFC 9112 7.1), piece by piece. It does not validate: a malformed body
 * never ends here, and the parser of node:http, which gets the same bytes, refuses it. Chunks are skipped by
 * their size without being read.
 */
export class ChunkedBody {
  #isInTrailer = false
  /** The bytes left of the present chunk, with the line break after it. */
  #dataLeft = 0
  /** The beginning of a line that has not ended yet. */
  #line = ''

  /** Returns how many bytes of the next piece belong to the body. */
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
      this.#line += piece.toString(
        'latin1',
        at,
        Math.min(to, at + MAX_SIZE_LINE_LENGTH + 1 - this.#line.length),
      )
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
