import type { FastifyRequest } from 'fastify'
import type { BulkOutcome } from '../../../commands/views/promote-all.ts'
import { IS_WRITTEN_BY_ONE_PROCESS } from '../../../database/engine.ts'
import type { Depot } from '../../../depot/open.ts'
import type { ReleaseName } from '../../../package/ident.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'

/**
 * Promotes one release to a view, for a caller whose rights were checked. A promotion of what is current already is answered
 * from memory. This is as if it had run before every commit that this thread has not yet seen, none of which was answered
 * when the promotion was requested. Throws like the command `promote`.
 */
export async function promoteRelease(
  request: FastifyRequest,
  context: Pick<RouteContext, 'depot' | 'answers'>,
  { view, release }: { view: string; release: ReleaseName },
): Promise<BulkOutcome> {
  const { depot, answers } = context
  const revision = (await isUpToDate(request, depot)) ? answers.revisionIfCurrent(view, release) : undefined
  if (revision !== undefined) return { view, revision, isChanged: false }
  return depot.writer.submit({
    kind: 'promote',
    input: { view, releases: [release] },
    actor: actorOf(request, 'habitat'),
  })
}

/** Reports whether this thread knows every answered commit, and the caller has the same rights as when the request began. */
async function isUpToDate({ caller, headers }: FastifyRequest, depot: Depot): Promise<boolean> {
  if (!IS_WRITTEN_BY_ONE_PROCESS || depot.follower.catchUp() !== undefined) return false
  // Changed rights are another session object.
  return (await depot.authenticator.identify(headers.authorization)) === caller
}
