// An estimate of how many different items were added, in a fixed number of bytes: HyperLogLog (Flajolet,
// Fusy, Gandouet and Meunier, 2007). The first bits of an item's hash choose a register. The register keeps
// the greatest rank of its items: one more than the number of zeros that follow these bits. Sketches of
// different threads are merged by taking the maximum of each register.

const INDEX_BITS = 9
/** The standard error is 1.04 / √512, which is 4.6 %. */
export const SKETCH_BYTES = 2 ** INDEX_BITS
const ALPHA = 0.7213 / (1 + 1.079 / SKETCH_BYTES)

/** One byte for each register. */
export type Sketch = Uint8Array

export function makeSketch(): Sketch {
  return new Uint8Array(SKETCH_BYTES)
}

/** Adds an item by its hash of 32 bits. Returns whether this raised a register. */
export function addTo(sketch: Sketch, hash: number): boolean {
  const index = indexOf(hash)
  const rank = rankOf(hash)
  if ((sketch[index] ?? 0) >= rank) return false
  sketch[index] = rank
  return true
}

/** Returns the register of an item. */
export function indexOf(hash: number): number {
  return hash >>> (32 - INDEX_BITS)
}

/** Returns the rank of an item, from 1 to 24. */
export function rankOf(hash: number): number {
  return Math.clz32((hash << INDEX_BITS) | (1 << (INDEX_BITS - 1))) + 1
}

/** Adds the items of `other` to `sketch`. */
export function mergeInto(sketch: Sketch, other: Sketch): void {
  for (const [index, rank] of other.entries()) if ((sketch[index] ?? 0) < rank) sketch[index] = rank
}

/** Estimates the number of different items, as a whole number. Small numbers are nearly exact. */
export function estimate(sketch: Sketch): number {
  let sum = 0
  let zeros = 0
  for (const rank of sketch) {
    sum += 2 ** -rank
    if (rank === 0) zeros += 1
  }
  const raw = (ALPHA * SKETCH_BYTES ** 2) / sum
  const isSmall = raw <= 2.5 * SKETCH_BYTES && zeros > 0
  return Math.round(isSmall ? SKETCH_BYTES * Math.log(SKETCH_BYTES / zeros) : raw)
}

/** Hashes a text to 32 bits (FNV-1a, with the finalizer of MurmurHash3). The seed makes it unpredictable. */
export function hashText(text: string, seed: number): number {
  let hash = seed ^ 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
