/**
 * The kinds of failure. `refused` concerns one request. `unreachable` means that all retries failed.
 * `unauthenticated` and `full` would also fail later requests.
 */
export type RemoteFailure = 'refused' | 'unreachable' | 'unauthenticated' | 'full'

/** A request to a depot that has failed for good. */
export class RemoteError extends Error {
  readonly code = 'ERR_REMOTE_DEPOT'
  readonly failure: RemoteFailure
  /** The HTTP status, if an answer is the reason. */
  readonly status: number | undefined

  constructor(failure: RemoteFailure, message: string, options?: ErrorOptions & { status?: number }) {
    super(message, options)
    this.status = options?.status
    this.name = 'RemoteError'
    this.failure = failure
  }
}
