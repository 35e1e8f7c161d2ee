import { ACCOUNT_NAME, MAX_ACCOUNT_NAME_LENGTH } from '../../access/account-name.ts'
import { deleteExpiredBriefTokens, findAccount } from '../../accounts/account-store.ts'
import { findBoundAccount } from '../../accounts/identity-store.ts'
import { DepotError, quote } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import type { Person } from '../../signin/person.ts'
import { addAccount } from './add-account.ts'
import { bindIdentity } from './identities.ts'
import { issueToken } from './issue-token.ts'

/**
 * How long the token of a person is valid. The token keeps the groups of its sign-in; the next sign-in reads
 * them again.
 */
const LIFETIME_MS = 12 * 60 * 60_000

/**
 * Issues a token with the person's groups to a person whom the submitter has verified. The token is for the
 * account that is bound to the person. With `makesAccounts`, a person without one gets a new account under
 * the name that the single sign-on gives. An existing account of that name is never bound to the person,
 * because the single sign-on may have given the name to somebody else. Throws `forbidden` for a person
 * without an account, and `conflict` if the name is unusable or taken, or if the account is disabled.
 */
export async function signIn(
  context: CommandContext,
  { person, hash, makesAccounts }: { person: Person; hash: string; makesAccounts: boolean },
): Promise<{ tokenId: number; account: string }> {
  const { trx, clock } = context
  const { issuer, subject, groups } = person
  const account = (await findBoundAccount(trx, person)) ?? (await makeAccount(context, person, makesAccounts))
  const { tokenId } = await issueToken(context, {
    account,
    hash,
    label: 'single sign-on',
    expiresAt: clock.now + LIFETIME_MS,
    signIn: { issuer, subject, groups },
  })
  await deleteExpiredBriefTokens(trx, clock.now)
  return { tokenId, account }
}

async function makeAccount(context: CommandContext, person: Person, makesAccounts: boolean): Promise<string> {
  const { issuer, subject, name } = person
  const who = `${quote(subject)} of ${issuer}${name === undefined ? '' : `, who is called ${quote(name)} there,`}`
  const remedy = 'an administrator can bind one with hart-depot account bind'
  if (!makesAccounts) throw new DepotError('forbidden', `${who} has no account here: ${remedy}`)
  if (name === undefined || !ACCOUNT_NAME.test(name) || name.length > MAX_ACCOUNT_NAME_LENGTH)
    throw new DepotError('conflict', `${who} has no name that an account can have: ${remedy}`)
  if ((await findAccount(context.trx, name)) !== undefined)
    throw new DepotError(
      'conflict',
      `${who} is not bound to the account ${name}, which exists already: ${remedy}`,
    )
  await addAccount(context, { name })
  await bindIdentity(context, { account: name, issuer, subject })
  return name
}
