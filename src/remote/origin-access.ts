import { z } from 'zod'
import { ROLES } from '../access/access.ts'
import type { Role } from '../access/access.ts'
import { path } from './resource-path.ts'
import type { RemoteDepot } from './remote-depot.ts'
import { RemoteError } from './remote-error.ts'

// Members and secret keys of origins: reads over the Habitat protocol, which Builder has, too, and changes of
// a hart-depot. Every request can safely be repeated.

export interface OriginMember {
  readonly account: string
  readonly role: Role
}

const MemberNames = z.object({ members: z.array(z.string()) })
const RoleShape = z.object({ role: z.enum(ROLES) })
const OriginMembers = z.object({
  members: z.array(z.object({ account: z.string() })),
  next: z.string().nullable(),
})

/** Reports whether a depot or a Builder accepts the token of the requests, whatever its rights are. */
export async function acceptsToken(depot: RemoteDepot): Promise<boolean> {
  try {
    await depot.getText('profile')
    return true
  } catch (error) {
    if (error instanceof RemoteError && error.failure === 'unauthenticated') return false
    throw error
  }
}

/** Lists the members of an origin with their roles. Only members may see them. */
export async function listMembersWithRoles(depot: RemoteDepot, origin: string): Promise<OriginMember[]> {
  const { members = [] } = (await depot.get(path`depot/origins/${origin}/users`, MemberNames)) ?? {}
  const found: OriginMember[] = []
  for (const account of members) {
    const role = await depot.get(path`depot/origins/${origin}/users/${account}/role`, RoleShape)
    if (role !== undefined) found.push({ account, role: role.role })
  }
  return found
}

/** Returns the file of the newest secret signing key; `undefined` if there is none. For members only. */
export function findSecretKeyFile(depot: RemoteDepot, origin: string): Promise<string | undefined> {
  return depot.getText(path`depot/origins/${origin}/secret_keys/latest`)
}

/** Lists the accounts that are members of an origin of a hart-depot. */
export async function listMemberAccounts(depot: RemoteDepot, origin: string): Promise<string[]> {
  const accounts: string[] = []
  for await (const page of depot.pages(path`/api/v1/origins/${origin}/members?limit=1000`, OriginMembers))
    accounts.push(...page.members.map(({ account }) => account))
  return accounts
}

/** Sets the role of an account in an origin of a hart-depot. */
export async function setRole(depot: RemoteDepot, origin: string, member: OriginMember): Promise<void> {
  await depot.send('PUT', path`/api/v1/origins/${origin}/members/${member.account}`, {
    body: JSON.stringify({ role: member.role }),
    expects: [200],
  })
}

/** Stores a secret signing key. Returns false if the origin has one of this revision already. */
export async function addSecretKey(
  depot: RemoteDepot,
  origin: string,
  { revision, file }: { revision: string; file: string },
): Promise<boolean> {
  const status = await depot.send('POST', path`depot/origins/${origin}/secret_keys/${revision}`, {
    body: file,
    expects: [200, 201, 409],
  })
  return status !== 409
}

/** Reports whether a hart-depot has an account. */
export async function hasAccount(depot: RemoteDepot, name: string): Promise<boolean> {
  return (await depot.get(path`/api/v1/accounts/${name}`, z.looseObject({}))) !== undefined
}

/** Creates an account of a hart-depot, unless it exists already. */
export async function createAccount(depot: RemoteDepot, account: string): Promise<void> {
  await depot.send('POST', '/api/v1/accounts', { body: JSON.stringify({ account }), expects: [201, 409] })
}
