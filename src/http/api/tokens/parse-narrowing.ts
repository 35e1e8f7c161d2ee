import type { z } from 'zod'
import type { Scope } from '../../../access/access.ts'
import { parseExpiry } from '../../../accounts/token.ts'
import type { Db } from '../../../database/database.ts'
import { DepotError, quote, refusalOf } from '../../../errors.ts'
import type { ErrorPart } from '../../../errors.ts'
import { findOrigin } from '../../../origins/origin-store.ts'
import { findView } from '../../../revisions/view-store.ts'
import type { NarrowedToken } from './shapes.ts'

/**
 * Parses the limits of a token. Throws `invalid_request` with pointers for an expiry in the past and for
 * unknown names.
 */
export async function parseNarrowing(
  { db, now }: { db: Db; now: number },
  { actions, origins, views, expires }: z.infer<typeof NarrowedToken>,
): Promise<{ scope: Scope; expiresAt: number | undefined }> {
  const wrong: ErrorPart[] = []
  for (const [index, origin] of (origins ?? []).entries())
    if ((await findOrigin(db, origin)) === undefined)
      wrong.push({ detail: `there is no origin ${quote(origin)}`, pointer: `/origins/${index}` })
  for (const [index, view] of (views ?? []).entries())
    if ((await findView(db, view)) === undefined)
      wrong.push({ detail: `there is no view ${quote(view)}`, pointer: `/views/${index}` })
  let expiresAt: number | undefined
  try {
    if (expires !== undefined) expiresAt = parseExpiry(expires, now)
  } catch (error) {
    if (!(error instanceof DepotError)) throw error
    wrong.push({ detail: error.message, pointer: '/expires' })
  }
  if (wrong.length > 0) throw refusalOf('invalid_request', wrong)
  return {
    scope: { ...(actions && { actions }), ...(origins && { origins }), ...(views && { views }) },
    expiresAt,
  }
}
