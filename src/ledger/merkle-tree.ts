import { createHash } from 'node:crypto'

// The Merkle tree of RFC 6962, 2.1:
//
//   leaf = sha256( 0x00 digest )        digest: 32 bytes of an entry, in the order of the ledger
//   node = sha256( 0x01 left right )    left: the largest complete tree that leaves something for the right
//
// Public formats and witnesses expect this root. It follows from the digests that the hash chain has.

const LEAF = Buffer.of(0)
const NODE = Buffer.of(1)

/** Computes the root of a tree whose leaves are added one after another, in memory of its depth. */
export class MerkleTree {
  /** The roots of complete trees that cover all leaves, the largest first. */
  readonly #complete: { leaves: number; root: Buffer }[] = []

  /** Adds a leaf. `digest` is that of a ledger entry, as hex. */
  add(digest: string): void {
    let added = { leaves: 1, root: sha256(LEAF, Buffer.from(digest, 'hex')) }
    for (let last = this.#complete.at(-1); last?.leaves === added.leaves; last = this.#complete.at(-1)) {
      this.#complete.pop()
      added = { leaves: last.leaves * 2, root: sha256(NODE, last.root, added.root) }
    }
    this.#complete.push(added)
  }

  /** Returns the root over the leaves so far, as 32 bytes. That of no leaves is the hash of nothing. */
  root(): Buffer {
    const roots = this.#complete.map(({ root }) => root)
    const last = roots.pop()
    if (last === undefined) return sha256()
    return roots.reduceRight((right, left) => sha256(NODE, left, right), last)
  }
}

function sha256(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
