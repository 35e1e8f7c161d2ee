import { getAccount } from '../../accounts/account-store.ts'
import type { Db } from '../../database/database.ts'
import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { findOrigin, getOrigin, updateUpstream } from '../../origins/origin-store.ts'
import type { Origin } from '../../origins/origin-store.ts'
import { ADMINISTRATOR } from '../set-up.ts'
import { createOrigin } from './create-origin.ts'

/**
 * Makes an origin one whose releases and keys come from upstream, the URL of a depot. Creates the origin if
 * it does not exist; an existing one keeps what it has. The first administrator owns a new one. Throws
 * `origin_malformed`.
 */
export async function adoptOrigin(
  context: CommandContext,
  input: { origin: string; upstream: string },
): Promise<{ isChanged: boolean }> {
  const { trx, at } = context
  const { name, id, isUpstream } =
    (await findOrigin(trx, input.origin)) ??
    (await createOrigin(context, {
      name: input.origin,
      ownerId: (await getAccount(trx, ADMINISTRATOR)).id,
    }))
  if (isUpstream) return { isChanged: false }
  await updateUpstream(trx, id, true, at)
  await context.record({ kind: 'origin-adopted', origin: name, upstream: input.upstream }, { originId: id })
  return { isChanged: true }
}

/** Makes an upstream origin an ordinary one, which keeps what was fetched. Throws `not_found`. */
export async function disownOrigin(
  context: CommandContext,
  input: { origin: string },
): Promise<{ isChanged: boolean }> {
  const { trx, at } = context
  const { name, id, isUpstream } = await getOrigin(trx, input.origin)
  if (!isUpstream) return { isChanged: false }
  await updateUpstream(trx, id, false, at)
  await context.record({ kind: 'origin-disowned', origin: name }, { originId: id })
  return { isChanged: true }
}

/** Returns an upstream origin. Throws `not_found`, and `refused` for another origin. */
export async function getUpstreamOrigin(db: Db, name: string): Promise<Origin> {
  const origin = await getOrigin(db, name)
  expectUpstreamOrigin(origin)
  return origin
}

/** Throws `refused` unless the origin is an upstream origin. */
export function expectUpstreamOrigin({ name, isUpstream }: Pick<Origin, 'name' | 'isUpstream'>): void {
  if (!isUpstream) throw new DepotError('refused', `${name} does not come from the upstream depot`)
}

/** Throws `origin_from_upstream` if the origin is an upstream origin. `what` names what would be added. */
export function expectOwnOrigin({ isUpstream }: Pick<Origin, 'isUpstream'>, what: string): void {
  if (isUpstream)
    throw new DepotError(
      'origin_from_upstream',
      `${what} cannot be added here, because its origin comes from the upstream depot`,
    )
}
