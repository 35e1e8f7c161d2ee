import type { Audience } from '../access/access.ts'
import type { Target } from '../package/target.ts'
import type { ViewRule } from './rule.ts'

/** A revision of a view, or a time (epoch milliseconds). */
export type Moment = MarkedRevision | { readonly time: number }

export interface MarkedRevision {
  readonly revision: number
  /** Of its history, as of {@link Position}. */
  readonly mark?: string
}

/** What a change is restricted to: packages of an origin, of a name, or one package where both are given. */
export interface Only {
  readonly origin?: string
  readonly name?: string
}

/** What a change takes its releases from. */
export type ReleaseSource =
  /** In the order they are promoted; one named twice counts once. */
  | { readonly releases: readonly { readonly ident: string; readonly target: Target }[] }
  /** What `latest` answers or answered in another view, of everything or of an origin or a name. */
  | { readonly from: string; readonly at?: Moment; readonly origin?: string; readonly name?: string }
  /** What `latest` answered where a lockfile was made, whose signature was verified. */
  | { readonly lockfile: Lockfile }

export interface Lockfile {
  /** Of its text. */
  readonly digest: string
  readonly releases: readonly { readonly ident: string; readonly target: Target; readonly checksum: string }[]
}

/** A request as it is worked out: the audience, whose rights are those of that moment, limits the search. Releases it cannot see are not found. */
export type SeenRequest = ChangeRequest & { readonly audience: Audience }

/** What is asked of a view. It survives JSON, so that a plan can be made again from it. */
export type ChangeRequest = { readonly view: string } & (
  | {
      readonly act: 'promote'
      readonly source: ReleaseSource
      /** Everything that the releases need comes along. */
      readonly withDeps?: boolean
      /** Of packages that the source does not have, everything leaves. */
      readonly isExact?: boolean
    }
  | { readonly act: 'demote'; readonly source: ReleaseSource }
  | { readonly act: 'rollback'; readonly to: Moment; readonly only?: Only }
  | ({ readonly act: 'revert'; readonly only?: Only } & MarkedRevision)
  | { readonly act: 'set-rule'; readonly rule: ViewRule }
)
