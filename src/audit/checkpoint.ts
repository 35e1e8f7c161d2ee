import type { Db } from '../database/database.ts'
import { findState } from '../database/state-store.ts'
import { DepotError } from '../errors.ts'
import { FIRST_HEAD, digestOfText, follows } from '../ledger/chain.ts'
import type { LedgerHead } from '../ledger/chain.ts'
import { findHash, listLinks } from '../ledger/ledger-store.ts'
import { MerkleTree } from '../ledger/merkle-tree.ts'

// Checkpoints of the ledger (c2sp.org/tlog-checkpoint). A checkpoint is the text of a signed note
// (signed-note.ts), and has three lines:
//
//   origin     the name of the ledger, which is also the name of the key that signs the note
//   size       the number of entries
//   root       base64 of the root of the Merkle tree over the digests of the entries

export interface Checkpoint {
  /** The name of the ledger. Not the origin of a package. */
  readonly origin: string
  /** The number of entries. */
  readonly size: number
  /** The root of the Merkle tree, 32 bytes. */
  readonly root: Buffer
}

const ENTRIES_IN_A_PAGE = 1_000
const ROOT_BYTES = 32

/** Formats a checkpoint as three lines, each with a newline at its end. */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`
}

/** Parses the text of a checkpoint. Ignores lines after the third. Throws `invalid_request`. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', size = '', encoded = ''] = text.split('\n')
  const root = Buffer.from(encoded, 'base64')
  const isSize = /^(0|[1-9]\d*)$/.test(size) && Number.isSafeInteger(Number(size))
  if (origin === '' || !isSize || root.length !== ROOT_BYTES || root.toString('base64') !== encoded)
    throw new DepotError('invalid_request', 'not a checkpoint: it needs the lines origin, size and root')
  return { origin, size: Number(size), root }
}

/**
 * Makes the checkpoint of the whole ledger, in one pass over its digests. `db` must be a snapshot, because
 * the pass takes several queries. Throws `conflict` if the hash chain is broken, because a depot must not
 * sign such a history.
 */
export async function takeCheckpoint(db: Db, publicUrl: string | undefined): Promise<Checkpoint> {
  const tree = new MerkleTree()
  let head: LedgerHead = FIRST_HEAD
  for (;;) {
    const links = await listLinks(db, { after: head.sequence, limit: ENTRIES_IN_A_PAGE })
    if (links.length === 0) break
    for (const link of links) {
      if (!follows(head, link))
        throw new DepotError(
          'conflict',
          `entry ${link.sequence} of the ledger does not follow from the one before it: see hart-depot verify`,
        )
      tree.add(link.digest)
      head = { sequence: link.sequence, hash: link.hash, at: 0 }
    }
  }
  return { origin: await originOf(db, publicUrl), size: head.sequence, root: tree.root() }
}

/**
 * Compares the entries of a ledger with a checkpoint. Pass all entries to `take` in order, then call `fault`.
 */
export class CheckpointCheck {
  readonly #checkpoint: Checkpoint
  readonly #tree = new MerkleTree()
  #taken = 0

  constructor(checkpoint: Checkpoint) {
    this.#checkpoint = checkpoint
  }

  /**
   * Adds the next entry. Recomputes its digest, because the stored one may not be that of the stored text.
   */
  take(entry: { salt: string; text: string }): void {
    if (this.#taken === this.#checkpoint.size) return
    this.#taken += 1
    this.#tree.add(digestOfText(entry))
  }

  /**
   * Returns `undefined` if the ledger begins with the signed entries, and otherwise a sentence without a full
   * stop. `head` is the last entry of the ledger.
   */
  fault(head: LedgerHead): string | undefined {
    const { size, root } = this.#checkpoint
    if (this.#taken < size)
      return `it has ${size} entries, but the ledger ends at ${head.sequence}: the last ones were removed, or the database was replaced by an older copy`
    return this.#tree.root().equals(root)
      ? undefined
      : `the first ${size} entries of the ledger are not those that were signed`
  }
}

/**
 * Returns the name of the depot's ledger. It contains the public URL without its scheme or, without such a
 * URL, a part of the hash of the first entry. A restore from an older copy makes another history, which needs
 * another name, so the name then also contains the incarnation.
 */
async function originOf(db: Db, publicUrl: string | undefined): Promise<string> {
  const name =
    publicUrl === undefined
      ? `hart-depot/${(await findHash(db, 1))?.slice(0, 16) ?? 'empty'}`
      : publicUrl.replace(/^https?:\/\//, '').replaceAll('+', '%2B')
  const incarnation = await findState(db, 'incarnation')
  return [name, 'ledger', ...(incarnation === undefined ? [] : [incarnation])].join('/')
}
