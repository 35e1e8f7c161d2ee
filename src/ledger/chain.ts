import { hash as digestOf, randomUUID } from 'node:crypto'

// Entries form a hash chain that `printf` and `sha256sum` can verify:
//
//   digest = sha256( salt + text )
//   hash   = sha256( previous hash + '\n' + sequence + '\n' + digest + '\n' )
//
// The salt has 32 hex characters, so that nobody can guess the text of a digest.
// Readers get the sequence and digest of entries that are hidden from them, so they can still verify the
// chain.

/** The last entry of the chain, which the next one follows. */
export interface LedgerHead {
  readonly sequence: number
  readonly hash: string
  /** Epoch milliseconds. */
  readonly at: number
}

/** The fields that make an entry a part of the chain. */
export interface Link {
  readonly salt: string
  readonly digest: string
  readonly hash: string
}

/** The head of an empty ledger. */
export const FIRST_HEAD: LedgerHead = { sequence: 0, hash: '0'.repeat(64), at: 0 }

/** Computes the digest of an entry from its salt and text. */
export function digestOfText({ salt, text }: { salt: string; text: string }): string {
  return sha256(salt + text)
}

/** Computes the fields of the entry that follows `head`. `text` is the exact text of the entry. */
export function link(head: LedgerHead, text: string, salt: string = makeSalt()): Link {
  const digest = digestOfText({ salt, text })
  return { salt, digest, hash: hashAfter(head, digest) }
}

/** Reports whether an entry has the hash and the sequence that follow from `head` and its digest. */
export function follows(
  head: LedgerHead,
  { sequence, digest, hash }: { sequence: number; digest: string; hash: string },
): boolean {
  return sequence === head.sequence + 1 && hash === hashAfter(head, digest)
}

function hashAfter({ sequence, hash }: LedgerHead, digest: string): string {
  return sha256(`${hash}\n${sequence + 1}\n${digest}\n`)
}

/** Makes a salt of 122 random bits. Node keeps random bytes for identifiers, so this costs no system call. */
function makeSalt(): string {
  return randomUUID().replaceAll('-', '')
}

function sha256(text: string): string {
  return digestOf('sha256', text)
}
