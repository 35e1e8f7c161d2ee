import type { MirrorOperations } from './mirror.ts'
import type { RefreshOperations } from './refresher.ts'
import type { FetchCounts, UpstreamOperations } from './upstream.ts'

/** Everything that a depot does with its upstream, in this thread or another. The caller closes it. */
export interface OpenedUpstream {
  readonly upstream: UpstreamOperations
  readonly refresher: RefreshOperations
  /** `undefined` if the settings name nothing to mirror. */
  readonly mirror: MirrorOperations | undefined
  counts(): Promise<FetchCounts>
  /** Begins to refresh and to mirror by schedule. */
  start(): Promise<void>
  /** Ends what is in progress. The depot must be closed after this. */
  close(): Promise<void>
}
