import { DepotError } from '../errors.ts'

// LZMA, the inside of an xz file: a range coder over adaptive bits, whose decisions are literals and matches into a window of what
// came out before. One decoder serves one xz stream; xz.ts says where chunks begin and what they reset.
//
// It is ours because a scan must hold no more than the window, and must never allocate what a file declares: the decoders at hand
// leave a fresh buffer behind for every 64 KiB, or take the dictionary at its word. A match may only reach back to bytes that came
// out since the last reset, so nothing of an earlier file can be read back.
//
//   probabilities (11 bits each)          literal states 0..6 follow a literal, 7..11 a match
const IS_MATCH = 0 //                       [state][position bits]
const IS_REP = IS_MATCH + 192
const IS_REP0_LONG = IS_REP + 12 //         [state][position bits]
const IS_REP0 = IS_REP0_LONG + 192
const IS_REP1 = IS_REP0 + 12
const IS_REP2 = IS_REP1 + 12
const MATCH_LENGTH = IS_REP2 + 12
const LENGTH_MID = 2 + 128 //               within a length coder: two choices, low and mid [position bits][8], high [256]
const LENGTH_HIGH = LENGTH_MID + 128
const REP_LENGTH = MATCH_LENGTH + LENGTH_HIGH + 256
const DISTANCE_SLOT = REP_LENGTH + LENGTH_HIGH + 256 // [length, 0..3][64]
const DISTANCE_SPECIAL = DISTANCE_SLOT + 256 //          slots 4..13
const DISTANCE_ALIGN = DISTANCE_SPECIAL + 128 //         slots 14..63
const LITERAL = DISTANCE_ALIGN + 16 //      [0x300 for each literal context]
const LITERAL_CODER = 0x300
const MOST_LITERAL_BITS = 4 //              LZMA2 allows lc + lp <= 4

const HALF = 1024
const TOP = 2 ** 24
const SHORTEST_MATCH = 2

/** Decodes the chunks of one LZMA2 stream. What comes out is handed to `output` as views of the window, good only during the call. */
export class LzmaDecoder {
  readonly #window: Uint8Array
  readonly #output: (bytes: Uint8Array) => void
  readonly #probabilities = new Uint16Array(LITERAL + (LITERAL_CODER << MOST_LITERAL_BITS))
  #end = 0 //            where the window continues
  #flushed = 0 //        up to where it was handed out
  #reachable = 0 //      how far back a match may go
  #input: Uint8Array = new Uint8Array(0)
  #at = 0
  #range = 0
  #code = 0
  #state = 0
  #rep0 = 0
  #rep1 = 0
  #rep2 = 0
  #rep3 = 0
  #literalContextBits = 0
  #literalPositionMask = 0
  #positionMask = 0
  #position = 0

  constructor(windowBytes: number, output: (bytes: Uint8Array) => void) {
    this.#window = new Uint8Array(windowBytes)
    this.#output = output
  }

  resetDictionary(): void {
    this.#reachable = 0
    this.#position = 0
  }

  resetState(): void {
    this.#probabilities.fill(HALF)
    this.#state = 0
    this.#rep0 = this.#rep1 = this.#rep2 = this.#rep3 = 0
  }

  /** `(pb * 5 + lp) * 9 + lc`, one byte. */
  setProperties(byte: number): void {
    const lc = byte % 9
    const lp = Math.floor(byte / 9) % 5
    const pb = Math.floor(byte / 45)
    if (pb > 4 || lc + lp > MOST_LITERAL_BITS) throw corrupt()
    this.#literalContextBits = lc
    this.#literalPositionMask = (1 << lp) - 1
    this.#positionMask = (1 << pb) - 1
  }

  /** A chunk that was stored as it is. */
  store(bytes: Uint8Array): void {
    let from = 0
    while (from < bytes.length) {
      const part = bytes.subarray(from, from + this.#window.length - this.#end)
      this.#window.set(part, this.#end)
      from += part.length
      this.#advance(part.length)
    }
    this.#flush()
  }

  /** A compressed chunk: `input` is all of it, `unpacked` the number of bytes that must come out. */
  decode(input: Uint8Array, unpacked: number): void {
    if (input.length < 5 || input[0] !== 0) throw corrupt()
    this.#input = input
    this.#range = -1
    this.#code = ((input[1] ?? 0) << 24 | (input[2] ?? 0) << 16 | (input[3] ?? 0) << 8 | (input[4] ?? 0))
    this.#at = 5
    let left = unpacked
    while (left > 0) left -= this.#symbol(left)
    // Reading past the input gave zeros; a chunk that was whole ends exactly where its header said, with nothing left in the coder.
    if (this.#at !== input.length || this.#code !== 0) throw corrupt()
    this.#flush()
  }

  #symbol(left: number): number {
    const positionBits = this.#position & this.#positionMask
    if (this.#bit(IS_MATCH + (this.#state << 4) + positionBits) === 0) {
      this.#literal()
      return 1
    }
    let length: number
    if (this.#bit(IS_REP + this.#state) === 0) {
      this.#rep3 = this.#rep2
      this.#rep2 = this.#rep1
      this.#rep1 = this.#rep0
      length = this.#length(MATCH_LENGTH, positionBits)
      this.#state = this.#state < 7 ? 7 : 10
      this.#rep0 = this.#distance(length)
    } else {
      if (this.#bit(IS_REP0 + this.#state) === 0) {
        if (this.#bit(IS_REP0_LONG + (this.#state << 4) + positionBits) === 0) {
          this.#state = this.#state < 7 ? 9 : 11
          this.#copy(1)
          return 1
        }
      } else {
        this.#chooseRep()
      }
      length = this.#length(REP_LENGTH, positionBits)
      this.#state = this.#state < 7 ? 8 : 11
    }
    // A match may not run over the end of its chunk.
    if (length > left) throw corrupt()
    this.#copy(length)
    return length
  }

  #chooseRep(): void {
    let distance: number
    if (this.#bit(IS_REP1 + this.#state) === 0) {
      distance = this.#rep1
    } else {
      if (this.#bit(IS_REP2 + this.#state) === 0) {
        distance = this.#rep2
      } else {
        distance = this.#rep3
        this.#rep3 = this.#rep2
      }
      this.#rep2 = this.#rep1
    }
    this.#rep1 = this.#rep0
    this.#rep0 = distance
  }

  #literal(): void {
    const previous = this.#reachable === 0 ? 0 : this.#back(0)
    const context = ((this.#position & this.#literalPositionMask) << this.#literalContextBits) + (previous >> (8 - this.#literalContextBits))
    const coder = LITERAL + LITERAL_CODER * context
    let symbol = 1
    if (this.#state >= 7) {
      // After a match, the byte that would have continued it predicts this one, until the first bit that differs.
      if (this.#rep0 >= this.#reachable) throw corrupt()
      let match = this.#back(this.#rep0)
      let same = 0x100
      while (symbol < 0x100) {
        match <<= 1
        const expected = match & same
        const bit = this.#bit(coder + same + expected + symbol)
        symbol = (symbol << 1) | bit
        same &= bit === 1 ? match : ~match
      }
    } else {
      symbol = this.#tree(coder, 8)
    }
    this.#state = this.#state < 4 ? 0 : this.#state < 10 ? this.#state - 3 : this.#state - 6
    this.#window[this.#end] = symbol
    this.#advance(1)
  }

  #length(coder: number, positionBits: number): number {
    if (this.#bit(coder) === 0) return SHORTEST_MATCH + this.#tree(coder + 2 + (positionBits << 3), 3)
    if (this.#bit(coder + 1) === 0) return SHORTEST_MATCH + 8 + this.#tree(coder + LENGTH_MID + (positionBits << 3), 3)
    return SHORTEST_MATCH + 16 + this.#tree(coder + LENGTH_HIGH, 8)
  }

  #distance(length: number): number {
    const slot = this.#tree(DISTANCE_SLOT + (Math.min(length - SHORTEST_MATCH, 3) << 6), 6)
    if (slot < 4) return slot
    const bits = (slot >> 1) - 1
    const base = (2 | (slot & 1)) * 2 ** bits
    if (slot < 14) return base + this.#reverseTree(DISTANCE_SPECIAL + base - slot, bits)
    let direct = 0
    for (let i = bits - 4; i > 0; i -= 1) direct = direct * 2 + this.#evenBit()
    return base + direct * 16 + this.#reverseTree(DISTANCE_ALIGN, 4)
  }

  #copy(length: number): void {
    const distance = this.#rep0 + 1
    if (distance > this.#reachable) throw corrupt()
    const window = this.#window
    const end = this.#end
    const from = end - distance
    if (from >= 0 && end + length < window.length) {
      if (length > 24 && distance >= length) window.copyWithin(end, from, from + length)
      else for (let i = 0; i < length; i += 1) window[end + i] = window[from + i] as number
      this.#advance(length)
      return
    }
    for (let i = 0; i < length; i += 1) {
      window[this.#end] = this.#back(distance - 1)
      this.#advance(1)
    }
  }

  #back(distance: number): number {
    const at = this.#end - distance - 1
    return this.#window[at < 0 ? at + this.#window.length : at] ?? 0
  }

  #advance(bytes: number): void {
    this.#end += bytes
    this.#position = (this.#position + bytes) | 0
    if (this.#reachable < this.#window.length) this.#reachable = Math.min(this.#window.length, this.#reachable + bytes)
    if (this.#end === this.#window.length) this.#wrap()
  }

  #wrap(): void {
    this.#flush()
    this.#end = this.#flushed = 0
  }

  #flush(): void {
    if (this.#end > this.#flushed) this.#output(this.#window.subarray(this.#flushed, this.#end))
    this.#flushed = this.#end
  }

  #tree(tree: number, bits: number): number {
    const probabilities = this.#probabilities
    const input = this.#input
    let range = this.#range
    let code = this.#code
    let symbol = 1
    for (let i = 0; i < bits; i += 1) {
      const probability = probabilities[tree + symbol] as number
      const bound = Math.imul(range >>> 11, probability)
      if (code >>> 0 < bound >>> 0) {
        range = bound
        probabilities[tree + symbol] = probability + ((2048 - probability) >> 5)
        symbol <<= 1
      } else {
        range = (range - bound) | 0
        code = (code - bound) | 0
        probabilities[tree + symbol] = probability - (probability >> 5)
        symbol = (symbol << 1) | 1
      }
      if (range >>> 0 < TOP) {
        range <<= 8
        code = (code << 8) | (input[this.#at] as number)
        this.#at += 1
      }
    }
    this.#range = range
    this.#code = code
    return symbol - (1 << bits)
  }

  #reverseTree(tree: number, bits: number): number {
    let node = 1
    let symbol = 0
    for (let i = 0; i < bits; i += 1) {
      const bit = this.#bit(tree + node)
      node = (node << 1) | bit
      symbol |= bit << i
    }
    return symbol
  }

  #bit(index: number): number {
    const probability = this.#probabilities[index] as number
    const range = this.#range
    const bound = Math.imul(range >>> 11, probability)
    if (this.#code >>> 0 < bound >>> 0) {
      this.#range = bound
      this.#probabilities[index] = probability + ((2048 - probability) >> 5)
      if (bound >>> 0 < TOP) this.#shift()
      return 0
    }
    const rest = (range - bound) | 0
    this.#range = rest
    this.#code = (this.#code - bound) | 0
    this.#probabilities[index] = probability - (probability >> 5)
    if (rest >>> 0 < TOP) this.#shift()
    return 1
  }

  #evenBit(): number {
    const range = this.#range >>> 1
    this.#range = range
    const bit = this.#code >>> 0 >= range ? 1 : 0
    if (bit === 1) this.#code = (this.#code - range) | 0
    if (range < TOP) this.#shift()
    return bit
  }

  #shift(): void {
    this.#range = this.#range << 8
    this.#code = (this.#code << 8) | (this.#input[this.#at] as number)
    this.#at += 1
  }
}

function corrupt(): DepotError {
  return new DepotError('hart_malformed', 'its compressed data is damaged')
}
