import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { getAccount, updateDisabled } from '../../accounts/account-store.ts'

/**
 * Disables or enables an account. The depot refuses the tokens of a disabled account, and accepts them again
 * when the account is enabled. Throws `not_found`, and `conflict` if callers would disable their own account,
 * so that the depot keeps an administrator.
 */
export async function disableAccount(
  context: CommandContext,
  input: { account: string; isDisabled: boolean },
): Promise<{ isChanged: boolean }> {
  const { trx, at, caller } = context
  const { isDisabled } = input
  const account = await getAccount(trx, input.account)
  if (caller !== 'operator' && caller.accountId === account.id && isDisabled)
    throw new DepotError('conflict', `${account.name} may not disable its own account`)
  if ((account.disabledAt !== undefined) === isDisabled) return { isChanged: false }
  await updateDisabled(trx, account.id, { isDisabled, at })
  await context.record({ kind: isDisabled ? 'account-disabled' : 'account-enabled', account: account.name })
  return { isChanged: true }
}
