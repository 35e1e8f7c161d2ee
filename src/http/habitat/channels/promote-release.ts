import type { FastifyRequest } from 'fastify'
import type { BriefOutcome } from '../../../commands/views/make-revision.ts'
import type { ReleaseName } from '../../../package/ident.ts'
import { revisionIfCurrent } from '../../requests/current-releases.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'

/**
 * Promotes one release to a view. The rights of the caller must have been checked. If the release is already
 * current, answers from memory. Throws like the command `promote`.
 */
export async function promoteRelease(
  request: FastifyRequest,
  context: Pick<RouteContext, 'depot' | 'answers'>,
  { view, release }: { view: string; release: ReleaseName },
): Promise<BriefOutcome> {
  const current = await revisionIfCurrent(request, context, { view, releases: [release] })
  if (current !== undefined) return { view, revision: current.number, isChanged: false }
  return context.depot.writer.submit({
    kind: 'promote',
    input: { view, releases: [release] },
    actor: actorOf(request, 'habitat'),
  })
}
