import { createHash } from 'node:crypto'

// The Merkle tree of RFC 6962, 2.1:
//
//   leaf = sha256( 0x00 digest )        digest: that of a ledger entry, 32 bytes; leaves are in ledger order
//   node = sha256( 0x01 left right )    left: the largest complete tree with fewer leaves than the node
//
// Public formats and witnesses expect this root. The ledger stores no tree: the digests in its hash chain
// suffice to compute the root.

const LEAF = Buffer.of(0)
const NODE = Buffer.of(1)

/**
 * Computes the root of a tree to which leaves are added one by one. Memory grows with the depth of the tree.
 */
export class MerkleTree {
  /** The roots of the complete trees that together cover all leaves, the largest tree first. */
  readonly #complete: { leaves: number; root: Buffer }[] = []

  /** Adds a leaf. `digest` is the digest of a ledger entry, as 64 hex characters. */
  add(digest: string): void {
    let added = { leaves: 1, root: sha256(LEAF, Buffer.from(digest, 'hex')) }
    for (let last = this.#complete.at(-1); last?.leaves === added.leaves; last = this.#complete.at(-1)) {
      this.#complete.pop()
      added = { leaves: last.leaves * 2, root: sha256(NODE, last.root, added.root) }
    }
    this.#complete.push(added)
  }

  /**
   * Returns the root of all leaves so far, 32 bytes. Without leaves, that is the SHA-256 of an empty text.
   */
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
