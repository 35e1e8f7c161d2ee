import { z } from 'zod'
import type { IntegrationName } from '../../../origins/integration-store.ts'
import type { Invitation as StoredInvitation } from '../../../origins/invitation-store.ts'
import type { StoredSecret } from '../../../origins/origin-secret-store.ts'
import type { Origin as StoredOrigin } from '../../../origins/origin-store.ts'
import { Visibility, wireTime } from '../conventions/shapes.ts'
import type { Json } from '../conventions/shapes.ts'

// Habitat's JSON for origins (habitat-today.md 1.9, 1.10, 3.3 and 6). It also has the fields of the lists of
// 2016 that current ones lack (habitat-2016.md 1.13).

export const NewOrigin = z.object({ name: z.string(), default_package_visibility: Visibility.optional() })
export const ChangedOrigin = z.object({ default_package_visibility: Visibility })

export const Origin = z.object({
  name: z.string(),
  owner_id: z.string(),
  owner_account: z.string(),
  private_key_name: z.string().nullable(),
  default_package_visibility: Visibility,
})

export function wireOrigin(origin: StoredOrigin, privateKeyName: string | null): Json<typeof Origin> {
  return {
    name: origin.name,
    owner_id: String(origin.ownerId),
    owner_account: origin.owner,
    private_key_name: privateKeyName,
    default_package_visibility: origin.defaultVisibility,
  }
}

/** The answer to the request that created the origin. */
export const CreatedOrigin = z.object({
  name: z.string(),
  owner_id: z.string(),
  default_package_visibility: Visibility,
  created_at: z.string(),
  updated_at: z.string(),
})

export function wireCreatedOrigin(origin: StoredOrigin): Json<typeof CreatedOrigin> {
  return {
    name: origin.name,
    owner_id: String(origin.ownerId),
    default_package_visibility: origin.defaultVisibility,
    created_at: wireTime(origin.createdAt),
    updated_at: wireTime(origin.updatedAt),
  }
}

export const KeyLocation = z.object({ origin: z.string(), revision: z.string(), location: z.string() })

export function wireKeyLocation(origin: string, revision: string): Json<typeof KeyLocation> {
  return { origin, revision, location: `/origins/${origin}/keys/${revision}` }
}

export const Members = z.object({ origin: z.string(), origin_id: z.string(), members: z.array(z.string()) })

export function wireMembers(
  origin: { id: number; name: string },
  members: readonly string[],
): Json<typeof Members> {
  return { origin: origin.name, origin_id: String(origin.id), members }
}

export const MemberRole = z.object({ role: z.string() })

export const Invitation = z.object({
  id: z.string(),
  account_id: z.string(),
  account_name: z.string(),
  owner_id: z.string(),
  origin: z.string(),
  origin_id: z.string(),
  origin_name: z.string(),
  ignored: z.boolean(),
  created_at: z.string(),
  updated_at: z.string(),
})

export function wireInvitation(invitation: StoredInvitation): Json<typeof Invitation> {
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

export const Invitations = z.object({
  origin: z.string(),
  origin_id: z.string(),
  invitations: z.array(Invitation),
})

export function wireInvitations(
  origin: { id: number; name: string },
  invitations: readonly StoredInvitation[],
): Json<typeof Invitations> {
  return { origin: origin.name, origin_id: String(origin.id), invitations: invitations.map(wireInvitation) }
}

export const NewSecret = z.object({ name: z.string().min(1), value: z.string().min(1) })

/** The value is as the client sent it. */
export const Secret = z.object({ id: z.string(), origin_id: z.string(), name: z.string(), value: z.string() })

export function wireSecret(secret: StoredSecret, value: string): Json<typeof Secret> {
  return { id: String(secret.id), origin_id: String(secret.originId), name: secret.name, value }
}

/** The names of integrations by type: `{"docker": ["hub", "quay"]}`. */
export const Integrations = z.record(z.string(), z.array(z.string()))

export function wireIntegrations(integrations: readonly IntegrationName[]): Json<typeof Integrations> {
  const types = Map.groupBy(integrations, ({ type }) => type)
  return Object.fromEntries([...types].map(([type, names]) => [type, names.map(({ name }) => name)]))
}

export const IntegrationNames = z.object({ names: z.array(z.string()) })

/** The fields of an integration, as the client sent them. */
export const IntegrationBody = z.record(z.string(), z.unknown())

export const Integration = z.object({
  origin: z.string(),
  integration: z.string().describe('the type'),
  name: z.string(),
  body: IntegrationBody,
})

/** Omits the password of an integration. */
export function wireIntegration(
  origin: string,
  { type, name }: IntegrationName,
  body: Json<typeof IntegrationBody>,
): Json<typeof Integration> {
  const { password: _password, ...shown } = body
  return { origin, integration: type, name, body: shown }
}
