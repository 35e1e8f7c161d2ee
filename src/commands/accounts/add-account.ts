import { DepotError, quote } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { SAME_RIGHT, runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import { ACCOUNT_NAME, MAX_ACCOUNT_NAME_LENGTH } from '../../access/account-name.ts'
import { findAccount, insertAccount } from '../../accounts/account-store.ts'

interface NewAccount {
  readonly name: string
  readonly email?: string
  readonly isAdministrator?: boolean
}

/**
 * Creates an account. With an idempotency key, a repeated request returns the first outcome. Throws
 * `invalid_request` for a name that is not valid, `already_exists`, and `idempotency_mismatch` if the key was
 * used for another request.
 */
export async function addAccount(
  context: CommandContext,
  input: NewAccount & { idempotency?: IdempotencyKey },
): Promise<{ accountId: number }> {
  return runOnce(context, input.idempotency, SAME_RIGHT, () => insertNewAccount(context, input))
}

async function insertNewAccount(
  context: CommandContext,
  { name, email, isAdministrator = false }: NewAccount,
): Promise<{ accountId: number }> {
  if (!ACCOUNT_NAME.test(name) || name.length > MAX_ACCOUNT_NAME_LENGTH) {
    throw new DepotError(
      'invalid_request',
      `${quote(name)} is not an account's name: letters, digits and . _ -, at most ${MAX_ACCOUNT_NAME_LENGTH}`,
    )
  }
  if ((await findAccount(context.trx, name)) !== undefined)
    throw new DepotError('already_exists', `the account ${quote(name)} exists already`)
  const accountId = await insertAccount(context.trx, { name, email, isAdministrator, at: context.at })
  await context.record({ kind: 'account-added', account: name, isAdministrator })
  return { accountId }
}
