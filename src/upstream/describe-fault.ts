import { RemoteError } from '../remote/remote-error.ts'

/** What an operator can do when upstream answers with this status. */
const REMEDIES: Readonly<Record<number, string>> = {
  401: 'upstream wants a valid token: set DEPOT_UPSTREAM_TOKEN_FILE, or renew its token',
  403: 'upstream forbids this: use the token of an account that may read it (a token for Supervisors is not enough), or accept the licence at upstream',
  429: 'upstream asks for fewer requests: the depot tries again later',
}

/** Describes a failure of upstream in words, with what an operator can do about it. */
export function describeFault(error: Error): string {
  const remedy =
    error instanceof RemoteError && error.status !== undefined ? REMEDIES[error.status] : undefined
  return remedy === undefined ? error.message : `${error.message} (${remedy})`
}
