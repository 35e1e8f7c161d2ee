import type { PackageParts } from '../package/ident.ts'
import type { PackageFilter } from './change-request.ts'

/** Stops changes of a view, or of some packages in it, until it expires or is removed. */
export interface Freeze extends PackageFilter {
  readonly reason: string
  /** Epoch milliseconds. Absent if the freeze has no end. */
  readonly until?: number
  /** The name of the account that froze the packages. */
  readonly by: string
  /** Epoch milliseconds. */
  readonly since: number
}

/** A freeze as one view sees it: its own, or one that holds in every view. */
export interface ViewFreeze extends Freeze {
  /** Whether the freeze holds in every view. */
  readonly isOfAll: boolean
}

/** The maximum number of freezes of one view, and also of freezes that hold in every view. */
export const MAX_FREEZES = 100

/** Returns the freezes with another one added. It replaces a freeze of exactly the same packages. */
export function withFreeze<F extends PackageFilter>(freezes: readonly F[], freeze: F): F[] {
  return [...withoutFreeze(freezes, freeze), freeze]
}

/** Returns the freezes without the one of exactly these packages. */
export function withoutFreeze<F extends PackageFilter>(
  freezes: readonly F[],
  { origin, name }: PackageFilter,
): F[] {
  return freezes.filter((freeze) => freeze.origin !== origin || freeze.name !== name)
}

/** Reports whether the freeze has not expired at the time `now`. */
export function isInForce({ until }: Freeze, now: number): boolean {
  return until === undefined || until > now
}

/** Reports whether a filter selects a package. */
export function matchesFilter({ origin, name }: PackageFilter, ident: PackageParts): boolean {
  return (origin ?? ident.origin) === ident.origin && (name ?? ident.name) === ident.name
}

/** Reports whether a filter does not select every package. */
export function hasFilter({ origin, name }: PackageFilter): boolean {
  return origin !== undefined || name !== undefined
}

/** Formats a filter as `acme/app`; `*` stands for every origin or every name. */
export function formatPackageFilter({ origin = '*', name = '*' }: PackageFilter): string {
  return `${origin}/${name}`
}
