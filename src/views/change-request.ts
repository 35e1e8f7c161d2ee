import type { Audience } from '../access/access.ts'
import type { ReleaseName } from '../package/ident.ts'
import type { ViewRule } from './rule.ts'

/** A state of a view in the past: a revision, or a time in epoch milliseconds. */
export type Moment = MarkedRevision | { readonly time: number }

/** A revision, and optionally a mark that proves that it belongs to the present ledger. */
export interface MarkedRevision {
  readonly revision: number
  /** The beginning of that revision's hash in the ledger; see {@link Position}. */
  readonly mark?: string
}

/**
 * Selects packages: those of an origin, those with a name, or with both fields one package. An empty filter
 * selects every package.
 */
export interface PackageFilter {
  readonly origin?: string
  readonly name?: string
}

/** The maximum number of releases that one request may list. */
export const MAX_NAMED_RELEASES = 10_000

/** The source of a change's releases. */
export type ReleaseSource =
  /** These releases, in this order. A repeated release counts once. */
  | { readonly releases: readonly ReleaseName[] }
  /**
   * The releases that `latest` answers in another view, now or at a moment, optionally of one origin or name.
   */
  | { readonly from: string; readonly at?: Moment; readonly origin?: string; readonly name?: string }
  /** The releases that `latest` answered when a lockfile was made. Its signature has been verified. */
  | { readonly lockfile: Lockfile }

/** The content of a lockfile that a change needs. */
export interface Lockfile {
  /** The digest of the lockfile's text. */
  readonly digest: string
  readonly releases: readonly (ReleaseName & { readonly checksum: string })[]
}

/** A request, and the audience of its author. Releases that the audience cannot see are not found. */
export type RequestWithAudience = ChangeRequest & { readonly audience: Audience }

/** A requested change of a view. It can be stored as JSON, so that a plan can be resolved again. */
export type ChangeRequest = { readonly view: string } & (
  | {
      readonly act: 'promote'
      readonly source: ReleaseSource
      /** Whether all dependencies are promoted, too. */
      readonly withDeps?: boolean
      /** Whether the releases of all packages that are not in the source are demoted. */
      readonly isExact?: boolean
    }
  | { readonly act: 'demote'; readonly source: ReleaseSource }
  | { readonly act: 'rollback'; readonly to: Moment; readonly only?: PackageFilter }
  | ({ readonly act: 'revert'; readonly only?: PackageFilter } & MarkedRevision)
  | { readonly act: 'set-rule'; readonly rule: ViewRule }
)
