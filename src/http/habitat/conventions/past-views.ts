import { PastView } from '../../../answers/past-view.ts'
import { POSITION, parsePosition } from '../../../ledger/position.ts'
import { getRevisionAt } from '../../../revisions/revision-store.ts'
import { findView } from '../../../revisions/view-store.ts'
import type { RouteContext } from '../../requests/request.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The past state that the URL of the request names. */
    past: PastView | undefined
  }
}

/**
 * Finds the past state that a name such as `union@12` or `union@12-9c0f1b2a3d4e5f60` means. The last `@`
 * separates the view from its revision. Returns `undefined` if a view has the whole name, or if there is no
 * such view. Throws `not_found` for a revision that does not exist yet, and `other_history` if the mark does
 * not match the revision.
 */
export async function findPastView(
  { depot: { db }, answers }: RouteContext,
  name: string,
): Promise<PastView | undefined> {
  const at = name.lastIndexOf('@')
  const revision = name.slice(at + 1)
  if (at <= 0 || !POSITION.test(revision) || (await findView(db, name)) !== undefined) return undefined
  const view = await findView(db, name.slice(0, at))
  if (view === undefined) return undefined
  const { number, mark } = parsePosition(revision)
  const moment = { revision: number, ...(mark !== undefined && { mark }) }
  return new PastView(db, answers, { name, view, revision: await getRevisionAt(db, view, moment) })
}
