import type { FastifyRequest } from 'fastify'
import { audienceOfChanges } from '../../access/access.ts'
import type { ViewRevision } from '../../answers/answers.ts'
import type { Depot } from '../../depot/depot.ts'
import { originOf } from '../../package/ident.ts'
import type { ReleaseName } from '../../package/ident.ts'
import type { RouteContext } from './request.ts'

/**
 * Returns the revision of a view if promoting these releases to it would change nothing, for a caller whose
 * rights were checked. Returns `undefined` if the writer must decide. The answer comes from memory. Commits
 * that this thread has not seen yet count as later than the promotion: none of them was answered before the
 * promotion was requested.
 */
export async function revisionIfCurrent(
  request: FastifyRequest,
  { depot, answers }: Pick<RouteContext, 'depot' | 'answers'>,
  { view, releases }: { view: string; releases: readonly ReleaseName[] },
): Promise<ViewRevision | undefined> {
  const { caller } = request
  const areCurrent = () => releases.every((release) => answers.isCurrent(view, release))
  // Most promotions change something, and need none of the further checks.
  if (caller === undefined || !areCurrent() || !(await isUpToDate(request, depot))) return undefined
  const { seesAll, origins } = audienceOfChanges(caller)
  const areVisible = seesAll || releases.every(({ ident }) => origins.includes(originOf(ident)))
  return areVisible && areCurrent() ? answers.revisionOf(view) : undefined
}

/**
 * Reports whether this thread knows every answered commit, and the caller has the same rights as when the
 * request began.
 */
async function isUpToDate({ caller, headers }: FastifyRequest, depot: Depot): Promise<boolean> {
  if (!depot.engine.isWrittenByOneProcess || depot.follower.catchUp() !== undefined) return false
  // A change of rights makes a new session object.
  return (await depot.authenticator.identify(headers.authorization)) === caller
}
