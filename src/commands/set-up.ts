import { findAccount, findTokenByHash } from '../accounts/account-store.ts'
import { addAccount } from './accounts/add-account.ts'
import { issueToken } from './accounts/issue-token.ts'
import { createView } from './views/create-view.ts'
import { INITIAL_VIEWS } from '../views/view.ts'
import { findView } from '../revisions/view-store.ts'
import type { CommandContext } from '../ledger/command-context.ts'
import { findState, setState } from '../database/state-store.ts'
import { DepotError } from '../errors.ts'

/** The name of the first administrator. */
export const ADMINISTRATOR = 'admin'

/**
 * The status of a configured token: newly added, already known, revoked before, or not added because the
 * administrator is disabled.
 */
export type AdminTokenStatus = 'added' | 'known' | 'revoked' | 'disabled'

/**
 * Creates the first views and the first administrator where they are absent, and gives the administrator the
 * token with this hash, unless it is disabled. Adds a generated token only if it creates the administrator.
 * Runs whenever a depot opens. Returns `undefined` if there is no token to add. `secretKeys` are the ids of
 * this node's keys, if other nodes need the same ones; throws `invalid_request` if they have others.
 */
export async function setUp(
  context: CommandContext,
  input: { adminTokenHash: string | undefined; isGenerated?: boolean; secretKeys?: readonly string[] },
): Promise<AdminTokenStatus | undefined> {
  if (input.secretKeys !== undefined) await agreeOnSecretKey(context, input.secretKeys)
  for (const { name, rule } of INITIAL_VIEWS) {
    if ((await findView(context.trx, name)) === undefined)
      await createView(context, { name, rule, maker: 'depot' })
  }
  const administrator = await findAccount(context.trx, ADMINISTRATOR)
  if (administrator === undefined) await addAccount(context, { name: ADMINISTRATOR, isAdministrator: true })
  const hash = input.adminTokenHash
  if (hash === undefined) return undefined
  if (input.isGenerated === true && administrator !== undefined) return undefined // another node was first
  const known = await findTokenByHash(context.trx, hash)
  if (known !== undefined) return known.revokedAt === undefined ? 'known' : 'revoked'
  if (administrator?.disabledAt !== undefined) return 'disabled'
  await issueToken(context, { account: ADMINISTRATOR, hash, label: 'first administrator' })
  return 'added'
}

/** Records the first key, which encrypts. A node that lacks the key that others encrypt with cannot go on. */
async function agreeOnSecretKey({ trx }: CommandContext, keys: readonly string[]): Promise<void> {
  const agreed = await findState(trx, 'secret_key')
  if (agreed === keys[0]) return
  if (agreed !== undefined && !keys.includes(agreed))
    throw new DepotError(
      'invalid_request',
      `this node has the secret key ${keys.join(' and ')}, but the other nodes have ${agreed}: give all nodes the same DEPOT_SECRET_KEY`,
    )
  await setState(trx, 'secret_key', keys[0])
}
