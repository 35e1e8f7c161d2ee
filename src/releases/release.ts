import type { Visibility } from '../access/access.ts'
import type { PackageType } from '../hart/metadata.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import type { Mark, Notice } from '../package/mark.ts'

/**
 * An ident that was published for one target. Only its visibility and its marks can change. Times are epoch
 * milliseconds.
 */
export interface Release extends Readonly<Record<Mark, Notice | undefined>> {
  readonly id: number
  readonly ident: Ident
  readonly target: Target
  readonly visibility: Visibility
  /** BLAKE2b-256 of the whole file, 64 lower-case hex characters; also its address among the blobs. */
  readonly checksum: string
  readonly sizeBytes: number
  /** `{origin}-{revision}` of the key that signed it. */
  readonly signer: string
  /**
   * False if the depot did not have the signing key when the release was published
   * (`DEPOT_SIGNATURES=verify`).
   */
  readonly isVerified: boolean
  readonly publisherId: number
  /** The URL of the upstream depot from which it was fetched; `undefined` for an upload. */
  readonly source: string | undefined
  readonly packageType: PackageType
  readonly svcUser: string | undefined
  readonly svcGroup: string | undefined
  readonly createdAt: number
  readonly updatedAt: number
  readonly exposes: readonly number[]
  readonly deps: readonly string[]
  readonly tdeps: readonly string[]
  readonly buildDeps: readonly string[]
  readonly buildTdeps: readonly string[]
  readonly config: string
  readonly manifest: string
  /**
   * Whether the depot knows the release only from upstream: its bytes have never been here. Then the
   * signer is empty, and the size is 0 if upstream does not say it.
   */
  readonly isAnnounced: boolean
}
