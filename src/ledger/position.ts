import type { LedgerHead } from './chain.ts'

/**
 * A ledger position or a revision of a view, as clients give it: a number, and optionally a mark, which is
 * the beginning of the hash of its ledger entry. In another history, the same number has another mark.
 */
export interface Position {
  readonly number: number
  readonly mark: string | undefined
}

const MARK_LENGTH = 16

/** `812`, or `812-9c0f1b2a3d4e5f60`. */
export const POSITION = /^(\d{1,15})(?:-([0-9a-f]{16}))?$/

/** Parses a text that matches {@link POSITION}. */
export function parsePosition(text: string): Position {
  const [, number = '', mark] = POSITION.exec(text) ?? []
  return { number: Number(number), mark }
}

/** Formats a number with the mark of its entry. */
export function formatPosition(number: number, { hash }: Pick<LedgerHead, 'hash'>): string {
  return `${number}-${markOf(hash)}`
}

/** Reports whether a position agrees with the hash of the entry at its number. */
export function matchesMark({ mark }: Position, hash: string): boolean {
  return mark === undefined || mark === markOf(hash)
}

function markOf(hash: string): string {
  return hash.slice(0, MARK_LENGTH)
}
