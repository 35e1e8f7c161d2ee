import type { FastifyRequest } from 'fastify'
import type { PromotionOutcome } from '../../../commands/views/make-revision.ts'
import type { ChangeOptions } from '../../../commands/views/promote.ts'
import { releaseKey } from '../../../package/ident.ts'
import type { ChangeRequest } from '../../../views/change-request.ts'
import { revisionIfCurrent } from '../../requests/current-releases.ts'
import type { RouteContext } from '../../requests/request.ts'

/**
 * Returns the outcome of a promotion of listed releases that are all current, without the writer. Returns
 * `undefined` for every other change. Also returns `undefined` if the request has an expected revision, an
 * override or an idempotency key, because only a transaction can check or record these.
 */
export async function outcomeIfUnchanged(
  request: FastifyRequest,
  context: Pick<RouteContext, 'depot' | 'answers'>,
  { change, options }: { change: ChangeRequest; options: ChangeOptions },
): Promise<PromotionOutcome | undefined> {
  const { reason: _, ...conditions } = options
  if (Object.keys(conditions).length > 0 || change.act !== 'promote') return undefined
  if (!('releases' in change.source) || change.withDeps === true || change.isExact === true) return undefined
  const { view } = change
  const { releases } = change.source
  const revision = await revisionIfCurrent(request, context, { view, releases })
  if (revision === undefined) return undefined
  const distinct = new Map(releases.map((release) => [releaseKey(release), release]))
  return {
    view,
    revision: revision.number,
    hash: revision.hash,
    isChanged: false,
    releases: [...distinct.values()].map(({ ident, target }) => ({ ident, target, change: 'unchanged' })),
    pointers: [],
    overridden: [],
  }
}
