import type { RouteContext } from '../../requests/request.ts'
import type { Poll } from './answer-poll.ts'
import type { PackageReply } from './package-reply.ts'

/** Where a poll came from. */
export interface PollSource {
  /** The address of the peer. Read only when needed, because the first read is a system call. */
  readonly remoteAddress?: string | undefined
}

/**
 * Counts a poll for `latest` in a view; other polls do not count. Behind a trusted proxy, the addresses in
 * `X-Forwarded-For` tell pollers apart.
 */
export function countPoll(
  { pollers, answers, trustsProxy }: Pick<RouteContext, 'pollers' | 'answers' | 'trustsProxy'>,
  poll: Poll,
  { found, view, revision }: PackageReply,
  { source, forwardedFor }: { source: PollSource; forwardedFor: string | undefined },
): void {
  if (poll.release !== undefined || view === undefined) return
  if (found === undefined) {
    if (answers.isOpen(view)) pollers.countAbsentPackage(view, `${poll.origin}/${poll.name}`)
    else pollers.countAbsentView(view)
    return
  }
  if (!pollers.isCounting || revision === undefined) return
  const address = source.remoteAddress ?? ''
  const poller = forwardedFor !== undefined && trustsProxy(address) ? `${address} ${forwardedFor}` : address
  pollers.countFound({ view, package: `${poll.origin}/${poll.name}`, target: found.target }, revision, poller)
}
