import { findAccount, findTokenByHash } from '../accounts/account-store.ts'
import { addAccount } from './accounts/add-account.ts'
import { issueToken } from './accounts/issue-token.ts'
import { createView } from './views/create-view.ts'
import { INITIAL_VIEWS } from '../views/view.ts'
import { findView } from '../revisions/view-store.ts'
import type { CommandContext } from '../ledger/command-context.ts'

/** The name of the first administrator. */
export const ADMINISTRATOR = 'admin'

/**
 * The status of a configured token: newly added, already known, revoked before, or not added because the
 * administrator is disabled.
 */
export type AdminTokenStatus = 'added' | 'known' | 'revoked' | 'disabled'

/**
 * Creates the first views and the first administrator where they are absent, and gives the administrator the
 * token with this hash, unless it is disabled. Runs whenever a depot opens. Returns `undefined` without a
 * hash.
 */
export async function setUp(
  context: CommandContext,
  input: { adminTokenHash: string | undefined },
): Promise<AdminTokenStatus | undefined> {
  for (const { name, rule } of INITIAL_VIEWS) {
    if ((await findView(context.trx, name)) === undefined)
      await createView(context, { name, rule, maker: 'depot' })
  }
  const administrator = await findAccount(context.trx, ADMINISTRATOR)
  if (administrator === undefined) await addAccount(context, { name: ADMINISTRATOR, isAdministrator: true })
  const hash = input.adminTokenHash
  if (hash === undefined) return undefined
  const known = await findTokenByHash(context.trx, hash)
  if (known !== undefined) return known.revokedAt === undefined ? 'known' : 'revoked'
  if (administrator?.disabledAt !== undefined) return 'disabled'
  await issueToken(context, { account: ADMINISTRATOR, hash, label: 'first administrator' })
  return 'added'
}
