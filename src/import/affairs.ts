import { z } from 'zod'
import { ROLES } from '../access/access.ts'
import type { Role } from '../access/access.ts'
import { ACCOUNT_NAME } from '../access/account-name.ts'
import { attempt } from '../remote/attempt.ts'
import type { Transfer } from '../remote/attempt.ts'
import { RemoteError, path } from '../remote/remote-depot.ts'
import type { RemoteDepot } from '../remote/remote-depot.ts'

// The members of an origin and its secret signing key, as far as the tokens of both depots may. Builder gives
// members their names and roles to members, its newest secret signing key to members, and the private half
// of its encryption key to nobody.

/** What an origin has beside its packages, at the source. */
export interface OriginAffairs {
  /** Absent if the token may not see them. */
  readonly members: readonly Member[] | undefined
  /** The newest secret signing key: the revision and the key file. Absent if the token may not have it. */
  readonly secretKey: { readonly revision: string; readonly file: string } | undefined
}

interface Member {
  readonly account: string
  readonly role: Role
}

const Members = z.object({ members: z.array(z.string()) })
const RoleShape = z.object({ role: z.enum(ROLES) })
const OriginMembers = z.object({ members: z.array(z.object({ account: z.string(), role: z.enum(ROLES) })) })

/** Reads what the source tells the token of an origin. Notes what the token may not see. */
export async function readAffairs({ source, reporter }: Transfer, origin: string): Promise<OriginAffairs> {
  const members = await unlessForbidden(() => listMembers(source, origin))
  if (members === undefined)
    reporter.note(`the token may not see the members of ${origin} at the source, so they are not copied`)
  const file = await unlessForbidden(() => source.getText(path`depot/origins/${origin}/secret_keys/latest`))
  const [, revision] = /^SIG-SEC-1\r?\n\S+-(\d{14})\r?\n/.exec(file ?? '') ?? []
  if (revision === undefined)
    reporter.note(
      `the token gets no secret key of ${origin} from the source: members who need it can upload theirs with hart-depot key upload-secret`,
    )
  return {
    members,
    secretKey: file === undefined || revision === undefined ? undefined : { revision, file },
  }
}

async function listMembers(source: RemoteDepot, origin: string): Promise<Member[]> {
  const { members = [] } = (await source.get(path`depot/origins/${origin}/users`, Members)) ?? {}
  const found: Member[] = []
  for (const account of members) {
    const role = await source.get(path`depot/origins/${origin}/users/${account}/role`, RoleShape)
    if (role !== undefined) found.push({ account, role: role.role })
  }
  return found
}

/** What was changed at the destination. */
export interface CopiedAffairs {
  accounts: number
  members: number
  secretKeys: number
}

/**
 * Gives members their roles, and stores the secret key. Roles of members that the destination has already stay
 * as they are. The owner gets the role `administrator` here, because an origin is transferred elsewhere.
 * Accounts that the destination lacks are created if `createsAccounts` is set, without a token, or else noted.
 */
export async function copyAffairs(
  transfer: Transfer,
  origin: string,
  { affairs, createsAccounts }: { affairs: OriginAffairs; createsAccounts: boolean },
): Promise<CopiedAffairs> {
  const { destination, reporter } = transfer
  const copied: CopiedAffairs = { accounts: 0, members: 0, secretKeys: 0 }
  const here = new Set(
    ((await destination.get(path`/api/v1/origins/${origin}/members`, OriginMembers))?.members ?? []).map(
      ({ account }) => account,
    ),
  )
  for (const { account, role } of affairs.members ?? []) {
    if (here.has(account)) continue
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
      await destination.send('PUT', path`/api/v1/origins/${origin}/members/${account}`, {
        body: JSON.stringify({ role: role === 'owner' ? 'administrator' : role }),
        expects: [200],
      })
      copied.members += 1
    })
  }
  const { secretKey } = affairs
  if (secretKey !== undefined)
    await attempt(transfer, `the secret key ${origin}-${secretKey.revision}`, async () => {
      const stored = await unlessForbidden(() =>
        destination.getText(path`depot/origins/${origin}/secret_keys/latest`),
      )
      if (stored?.trim() === secretKey.file.trim()) return
      const status = await destination.send(
        'POST',
        path`depot/origins/${origin}/secret_keys/${secretKey.revision}`,
        { body: secretKey.file, expects: [200, 201, 409] },
      )
      if (status !== 409) copied.secretKeys += 1
    })
  return copied
}

/** Reports whether a depot has an account. */
export async function hasAccount(depot: RemoteDepot, name: string): Promise<boolean> {
  return (await depot.get(path`/api/v1/accounts/${name}`, z.looseObject({}))) !== undefined
}

async function createAccount(destination: RemoteDepot, account: string): Promise<void> {
  await destination.send('POST', '/api/v1/accounts', {
    body: JSON.stringify({ account }),
    expects: [201, 409],
  })
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
