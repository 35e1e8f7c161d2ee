import { ACCOUNT_NAME } from '../access/account-name.ts'
import { attempt } from '../remote/attempt.ts'
import type { Transfer } from '../remote/attempt.ts'
import {
  acceptsToken,
  addSecretKey,
  createAccount,
  findSecretKeyFile,
  hasAccount,
  listMemberAccounts,
  listMembersWithRoles,
  setRole,
} from '../remote/origin-access.ts'
import type { OriginMember } from '../remote/origin-access.ts'
import type { RemoteDepot } from '../remote/remote-depot.ts'
import { RemoteError } from '../remote/remote-error.ts'

// Copies the members of an origin and its newest secret signing key, if the tokens allow that at both depots.
// The private half of an encryption key cannot be copied, because Builder never shows it.

/** The members and the secret key of an origin at the source. */
export interface OriginAccess {
  /** Absent if the token may not see the members. */
  readonly members: readonly OriginMember[] | undefined
  /** The newest secret signing key. Absent if there is none, or if the token may not read it. */
  readonly secretKey: { readonly revision: string; readonly file: string } | undefined
}

/**
 * Reads the members and the secret key of an origin from the source. Reports a note for whatever the token
 * may not read. Throws `RemoteError` for all other failures.
 */
export async function readAccess({ source, reporter }: Transfer, origin: string): Promise<OriginAccess> {
  const members = await unlessForbidden(source, (depot) => listMembersWithRoles(depot, origin))
  if (members === undefined)
    reporter.note(`the token may not see the members of ${origin} at the source, so they are not copied`)
  const file = await unlessForbidden(source, (depot) => findSecretKeyFile(depot, origin))
  const [, revision] = /^SIG-SEC-1\r?\n\S+-(\d{14})\r?\n/.exec(file ?? '') ?? []
  if (file !== undefined && revision !== undefined) return { members, secretKey: { revision, file } }
  reporter.note(
    `the token gets no secret key of ${origin} from the source: members who have it can store it with hart-depot key upload-secret`,
  )
  return { members, secretKey: undefined }
}

/** The numbers of things that were created or changed at the destination. */
export interface CopiedAccess {
  accounts: number
  members: number
  secretKeys: number
}

/**
 * Gives the members of an origin their roles at the destination, and stores the secret key there. Accounts
 * that are already members keep their roles. The owner becomes an administrator, because another step
 * transfers origins. With `createsAccounts`, creates missing accounts without tokens; otherwise reports a
 * note for each. Reports items that fail, and continues; see {@link attempt} for what it throws.
 */
export async function copyAccess(
  transfer: Transfer,
  origin: string,
  { access, createsAccounts }: { access: OriginAccess; createsAccounts: boolean },
): Promise<CopiedAccess> {
  const { destination, reporter } = transfer
  const { members = [], secretKey } = access
  const copied: CopiedAccess = { accounts: 0, members: 0, secretKeys: 0 }
  const here = new Set(await listMemberAccounts(destination, origin))
  for (const { account, role } of members.filter((member) => !here.has(member.account)))
    await attempt(transfer, `the member ${account} of ${origin}`, async () => {
      if (!(await hasAccount(destination, account))) {
        if (!createsAccounts || !ACCOUNT_NAME.test(account)) {
          reporter.note(
            `${account} is ${role} of ${origin} at the source, but has no account here: --create-accounts creates it`,
          )
          return
        }
        await createAccount(destination, account)
        copied.accounts += 1
      }
      await setRole(destination, origin, { account, role: role === 'owner' ? 'administrator' : role })
      copied.members += 1
    })
  if (secretKey !== undefined)
    await attempt(transfer, `the secret key ${origin}-${secretKey.revision}`, async () => {
      const stored = await unlessForbidden(destination, (depot) => findSecretKeyFile(depot, origin))
      if (stored?.trim() === secretKey.file.trim()) return
      if (await addSecretKey(destination, origin, secretKey)) copied.secretKeys += 1
    })
  return copied
}

/**
 * Returns `undefined` if the depot refuses the request or wants a token with more rights. Throws other
 * errors, also if the depot no longer accepts the token: it would refuse all later requests, too.
 */
async function unlessForbidden<T>(
  depot: RemoteDepot,
  act: (depot: RemoteDepot) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await act(depot)
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error
    if (error.failure === 'refused') return undefined
    // Builder answers 401 also to a valid token that is not enough.
    if (error.failure === 'unauthenticated' && (!depot.hasToken || (await acceptsToken(depot))))
      return undefined
    throw error
  }
}
