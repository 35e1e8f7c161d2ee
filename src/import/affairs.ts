import { ACCOUNT_NAME } from '../access/account-name.ts'
import { attempt } from '../remote/attempt.ts'
import type { Transfer } from '../remote/attempt.ts'
import {
  addSecretKey,
  createAccount,
  findSecretKeyFile,
  hasAccount,
  listMemberAccounts,
  listMembersWithRoles,
  setRole,
} from '../remote/origin-affairs.ts'
import type { OriginMember } from '../remote/origin-affairs.ts'
import { RemoteError } from '../remote/remote-depot.ts'

// The members of an origin and its newest secret signing key, as far as the tokens of both depots may. The
// private half of the encryption key stays with Builder, which gives it to nobody.

/** What an origin has beside its packages, at the source. */
export interface OriginAffairs {
  /** Absent if the token may not see them. */
  readonly members: readonly OriginMember[] | undefined
  /** The newest secret signing key. Absent if there is none, or the token may not have it. */
  readonly secretKey: { readonly revision: string; readonly file: string } | undefined
}

/** Reads what the source tells the token about an origin. Notes what the token may not see. */
export async function readAffairs({ source, reporter }: Transfer, origin: string): Promise<OriginAffairs> {
  const members = await unlessForbidden(() => listMembersWithRoles(source, origin))
  if (members === undefined)
    reporter.note(`the token may not see the members of ${origin} at the source, so they are not copied`)
  const file = await unlessForbidden(() => findSecretKeyFile(source, origin))
  const [, revision] = /^SIG-SEC-1\r?\n\S+-(\d{14})\r?\n/.exec(file ?? '') ?? []
  if (file !== undefined && revision !== undefined) return { members, secretKey: { revision, file } }
  reporter.note(
    `the token gets no secret key of ${origin} from the source: members who have it can store it with hart-depot key upload-secret`,
  )
  return { members, secretKey: undefined }
}

/** What was changed at the destination. */
export interface CopiedAffairs {
  accounts: number
  members: number
  secretKeys: number
}

/**
 * Gives members their roles, and stores the secret key. Members that the destination has already keep their
 * roles. The owner becomes an administrator here, because origins are transferred in another step. Accounts
 * that the destination lacks are created, without tokens, if `createsAccounts` is set, and else noted.
 */
export async function copyAffairs(
  transfer: Transfer,
  origin: string,
  { affairs, createsAccounts }: { affairs: OriginAffairs; createsAccounts: boolean },
): Promise<CopiedAffairs> {
  const { destination, reporter } = transfer
  const { members = [], secretKey } = affairs
  const copied: CopiedAffairs = { accounts: 0, members: 0, secretKeys: 0 }
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
      const stored = await unlessForbidden(() => findSecretKeyFile(destination, origin))
      if (stored?.trim() === secretKey.file.trim()) return
      if (await addSecretKey(destination, origin, secretKey)) copied.secretKeys += 1
    })
  return copied
}

/** Returns `undefined` if the depot refuses the token this one thing. */
async function unlessForbidden<T>(act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof RemoteError && ['refused', 'unauthenticated'].includes(error.failure))
      return undefined
    throw error
  }
}
