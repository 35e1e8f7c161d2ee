import type { Ident } from '../package/ident.ts'
import type { Only } from './change-request.ts'

/** Nothing that it is about moves until it is over, or taken away: everything or, where it is restricted, some packages. */
export interface Freeze extends Only {
  readonly reason: string
  /** Epoch milliseconds; absent for one without an end. */
  readonly until?: number
  readonly by: string
  readonly since: number
}

/** A freeze as one view has it. */
export interface ViewFreeze extends Freeze {
  /** Whether it is of every view. */
  readonly isOfAll: boolean
}

/** For one view, and for all of them together. */
export const MOST_FREEZES = 100

/** Adds a freeze in place of that of the same packages. */
export function withFreeze<F extends Only>(freezes: readonly F[], freeze: F): F[] {
  return [...withoutFreeze(freezes, freeze), freeze]
}

/** Takes away the freeze of exactly these packages. */
export function withoutFreeze<F extends Only>(freezes: readonly F[], { origin, name }: Only): F[] {
  return freezes.filter((freeze) => freeze.origin !== origin || freeze.name !== name)
}

/** Whether it is not over. */
export function lasts({ until }: Freeze, now: number): boolean {
  return until === undefined || until > now
}

export function concerns({ origin, name }: Only, ident: Pick<Ident, 'origin' | 'name'>): boolean {
  return (origin ?? ident.origin) === ident.origin && (name ?? ident.name) === ident.name
}

export function isRestricted({ origin, name }: Only): boolean {
  return origin !== undefined || name !== undefined
}

/** `acme/app`; a star stands for every origin, or every name. */
export function formatOnly({ origin = '*', name = '*' }: Only): string {
  return `${origin}/${name}`
}
