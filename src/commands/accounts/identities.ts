import { getAccount } from '../../accounts/account-store.ts'
import { deleteIdentity, findBoundAccount, insertIdentity } from '../../accounts/identity-store.ts'
import type { Identity } from '../../accounts/identity-store.ts'
import { DepotError, quote } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { parseIssuer } from '../../signin/issuer.ts'
import { MAX_SUBJECT_LENGTH } from '../../signin/person.ts'

/**
 * Binds an account to a person of a single sign-on, who can then sign in as the account. An existing binding
 * changes nothing. Throws `invalid_request` for an issuer or a subject that is not valid, `not_found` for an
 * unknown account, and `conflict` if the person is bound to another account.
 */
export async function bindIdentity(
  context: CommandContext,
  { account: name, issuer, subject }: Identity & { account: string },
): Promise<{ isChanged: boolean }> {
  const { trx, at } = context
  parseIssuer(issuer)
  if (subject === '' || subject.length > MAX_SUBJECT_LENGTH)
    throw new DepotError(
      'invalid_request',
      `${quote(subject)} is not a subject: 1 to ${MAX_SUBJECT_LENGTH} characters`,
    )
  const account = await getAccount(trx, name)
  const before = await findBoundAccount(trx, { issuer, subject })
  if (before === account.name) return { isChanged: false }
  if (before !== undefined)
    throw new DepotError('conflict', `${quote(subject)} of ${issuer} is bound to the account ${before}`)
  await insertIdentity(trx, { issuer, subject, accountId: account.id, at })
  await context.record({ kind: 'identity-bound', account: account.name, issuer, subject })
  return { isChanged: true }
}

/**
 * Ends a binding. The person's tokens stay valid until they expire or are revoked. Throws `not_found`, also
 * if the person is bound to another account.
 */
export async function unbindIdentity(
  context: CommandContext,
  { account, issuer, subject }: Identity & { account: string },
): Promise<void> {
  if ((await findBoundAccount(context.trx, { issuer, subject })) !== account)
    throw new DepotError('not_found', `${account} is not bound to ${quote(subject)} of ${issuer}`)
  await deleteIdentity(context.trx, { issuer, subject })
  await context.record({ kind: 'identity-unbound', account, issuer, subject })
}
