import type { Account } from '../../../accounts/account-store.ts'
import type { ProfileToken } from '../../../accounts/profile-token-store.ts'
import type { Invitation } from '../../../origins/invitation-store.ts'
import type { OwnOrigin } from '../../../origins/origin-store.ts'
import { wireTime } from '../conventions/shapes.ts'

// Habitat's JSON for members, invitations, profiles and tokens (habitat-today.md 1.10, 3.4 and 6). It also
// has the fields of the lists of 2016 that current ones lack (habitat-2016.md 1.13).

const MASKED = '********'

export function wireMembers(origin: { id: number; name: string }, members: readonly string[]) {
  return { origin: origin.name, origin_id: String(origin.id), members }
}

export function wireInvitation(invitation: Invitation) {
  return {
    id: String(invitation.id),
    account_id: String(invitation.accountId),
    account_name: invitation.account,
    owner_id: String(invitation.inviterId),
    origin: invitation.origin,
    origin_id: String(invitation.originId),
    origin_name: invitation.origin,
    ignored: invitation.isIgnored,
    created_at: wireTime(invitation.createdAt),
    updated_at: wireTime(invitation.updatedAt),
  }
}

export function wireInvitations(origin: { id: number; name: string }, invitations: readonly Invitation[]) {
  return { origin: origin.name, origin_id: String(origin.id), invitations: invitations.map(wireInvitation) }
}

export function wireOwnOrigin(origin: OwnOrigin) {
  return {
    owner_id: String(origin.ownerId),
    name: origin.name,
    created_at: wireTime(origin.createdAt),
    updated_at: wireTime(origin.updatedAt),
    default_package_visibility: origin.defaultVisibility,
    package_count: origin.packageCount,
  }
}

export function wireProfile(account: Account) {
  return {
    id: String(account.id),
    name: account.name,
    email: account.email ?? '',
    created_at: wireTime(account.createdAt),
    updated_at: wireTime(account.updatedAt),
  }
}

/** Includes the token itself only if it was just made: the depot stores nothing but digests. */
export function wireToken(made: ProfileToken, token: string = MASKED) {
  return {
    id: String(made.id),
    account_id: String(made.accountId),
    token,
    created_at: wireTime(made.createdAt),
  }
}
