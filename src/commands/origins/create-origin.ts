import type { Visibility } from '../../access/access.ts'
import { DepotError, quote } from '../../errors.ts'
import { isOriginName } from '../../package/ident.ts'
import { insertChannel } from '../../channels/channel-store.ts'
import { PERMANENT_CHANNELS } from '../../views/view.ts'
import { findView } from '../../revisions/view-store.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { SAME_RIGHT, runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import { findOrigin, getOrigin, insertMember, insertOrigin } from '../../origins/origin-store.ts'
import type { Origin } from '../../origins/origin-store.ts'
import { reservingPattern } from '../../origins/reserved-names.ts'
import { listReserved } from '../../origins/reserved-store.ts'

/**
 * Creates an origin with its owner and the channels of every Habitat origin. Throws `origin_malformed`,
 * `already_exists` and, unless the caller is an administrator, `origin_reserved`.
 */
export async function createOrigin(
  context: CommandContext,
  input: NewOrigin & { idempotency?: IdempotencyKey },
): Promise<Origin> {
  const { idempotency, ...origin } = input
  return runOnce(context, idempotency, SAME_RIGHT, () => insertNewOrigin(context, origin))
}

interface NewOrigin {
  readonly name: string
  readonly ownerId: number
  readonly defaultVisibility?: Visibility
}

async function insertNewOrigin(
  context: CommandContext,
  { name, ownerId, defaultVisibility = 'public' }: NewOrigin,
): Promise<Origin> {
  if (!isOriginName(name))
    throw new DepotError(
      'origin_malformed',
      `${quote(name)} is not an origin's name: lower-case letters, digits, _ and -, at most 255`,
    )
  if ((await findOrigin(context.trx, name)) !== undefined)
    throw new DepotError('already_exists', `the origin ${name} exists already`)
  await expectNotReserved(context, name)
  const originId = await insertOrigin(context.trx, { name, ownerId, defaultVisibility, at: context.at })
  await insertMember(context.trx, { originId, accountId: ownerId, role: 'owner', at: context.at })
  for (const channel of PERMANENT_CHANNELS) {
    const view = await findView(context.trx, channel)
    if (view !== undefined)
      await insertChannel(context.trx, {
        originId,
        viewId: view.id,
        ownerId,
        isDeclared: true,
        at: context.at,
      })
  }
  const origin = await getOrigin(context.trx, name)
  await context.record({ kind: 'origin-created', origin: name, owner: origin.owner }, { originId })
  return origin
}

async function expectNotReserved({ trx, caller }: CommandContext, name: string): Promise<void> {
  if (caller === 'operator' || caller.isAdministrator) return
  if (reservingPattern(name, await listReserved(trx)) !== undefined)
    throw new DepotError(
      'origin_reserved',
      `the name ${name} is reserved: only an administrator of the depot can create this origin`,
    )
}
