import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import type { Caller } from '../../../access/access.ts'
import type { Db } from '../../../database/database.ts'
import { DepotError } from '../../../errors.ts'
import { TARGETS } from '../../../package/target.ts'
import type { Verdict } from '../../../retention/judge.ts'
import { listHidden } from '../../../revisions/dependency-store.ts'
import { administratorOnly, signedIn, signedInAs } from '../../requests/rights.ts'
import { parsePackageFilter } from '../conventions/package-filter.ts'
import type { Verdicts } from './shapes.ts'
import { wireVerdict } from './wire.ts'

/** The place of a release in a list of verdicts, for cursors. */
export const CandidatePlace = z.tuple([z.int(), z.enum(TARGETS), z.string()])

/** Converts verdicts for a caller. Releases that it may not see are not named as reasons. */
export async function describeVerdicts(
  db: Db,
  verdicts: readonly Verdict[],
  caller: Caller,
): Promise<z.infer<typeof Verdicts>['verdicts']> {
  const named = verdicts.flatMap(({ reasons }) =>
    reasons.flatMap((reason) => (reason.kind === 'dependency' ? [reason.by] : [])),
  )
  const hidden = await listHidden(db, named, audienceOf(caller))
  return verdicts.map((verdict) => wireVerdict(verdict, hidden))
}

/** Route hook for administrators, and for administrators of the origin in the query. */
export async function judgesOnly(request: FastifyRequest): Promise<void> {
  const { origin } = request.query as { origin?: unknown }
  if (typeof origin !== 'string' || signedIn(request, 'manage').isAdministrator)
    await administratorOnly(request)
  else signedInAs(request, 'administrator', origin, 'manage')
}

/** Throws `ident_malformed`, and `invalid_request` for a name without an origin. */
export function expectFilter({
  origin,
  name,
}: {
  origin?: string | undefined
  name?: string | undefined
}): void {
  parsePackageFilter({ origin, name })
  if (name !== undefined && origin === undefined)
    throw new DepotError('invalid_request', 'name needs origin: it is the name of a package in it')
}
