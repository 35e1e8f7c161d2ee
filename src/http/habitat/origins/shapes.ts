import { z } from 'zod'
import type { IntegrationName } from '../../../origins/integration-store.ts'
import type { Invitation as StoredInvitation } from '../../../origins/invitation-store.ts'
import type { StoredSecret } from '../../../origins/origin-secret-store.ts'
import type { Origin as StoredOrigin } from '../../../origins/origin-store.ts'
import { named } from '../../requests/described.ts'
import { EXAMPLE_TIME, Visibility, wireTime } from '../conventions/shapes.ts'
import type { Json } from '../conventions/shapes.ts'

// Habitat's JSON for origins (habitat-today.md 1.9, 1.10, 3.3 and 6). Lists also have the fields of 2016 that
// current lists lack (habitat-2016.md 1.13).

/** The value of a secret in examples: what `hab` sends is encrypted. */
const ENCRYPTED = 'ANONYMOUS-BOX-1\nacme-20250101000000\n\nc2VhbGVk'

export const NewOrigin = named(
  'HabitatNewOrigin',
  z.object({ name: z.string(), default_package_visibility: Visibility.optional() }),
  { name: 'acme', default_package_visibility: 'public' },
)
export const ChangedOrigin = named(
  'HabitatOriginSettings',
  z.object({ default_package_visibility: Visibility }),
  { default_package_visibility: 'private' },
)

export const Origin = named(
  'HabitatOrigin',
  z.object({
    name: z.string(),
    owner_id: z.string(),
    owner_account: z.string(),
    private_key_name: z.string().nullable(),
    default_package_visibility: Visibility,
  }),
  {
    name: 'acme',
    owner_id: '1',
    owner_account: 'jane',
    private_key_name: 'acme-20250101000000',
    default_package_visibility: 'public',
  },
)

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
export const CreatedOrigin = named(
  'HabitatCreatedOrigin',
  z.object({
    name: z.string(),
    owner_id: z.string(),
    default_package_visibility: Visibility,
    created_at: z.string(),
    updated_at: z.string(),
  }),
  {
    name: 'acme',
    owner_id: '1',
    default_package_visibility: 'public',
    created_at: EXAMPLE_TIME,
    updated_at: EXAMPLE_TIME,
  },
)

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
export const KeyLocations = named('HabitatKeyLocations', z.array(KeyLocation), [
  { origin: 'acme', revision: '20250101000000', location: '/origins/acme/keys/20250101000000' },
])
export const PublicKey = named(
  'HabitatPublicKey',
  z.string().describe('a key file'),
  'SIG-PUB-1\nacme-20250101000000\n\nI/qkPYCRb51m7QP4EjVTXsKyPpj38P2mK520Kv9IESg=',
)
export const SecretKey = named(
  'HabitatSecretKey',
  z.string().describe('a key file'),
  'SIG-SEC-1\nacme-20250101000000\n\n(base64 of the 64 bytes of the key)',
)

export function wireKeyLocation(origin: string, revision: string): Json<typeof KeyLocation> {
  return { origin, revision, location: `/origins/${origin}/keys/${revision}` }
}

export const Members = named(
  'HabitatMembers',
  z.object({ origin: z.string(), origin_id: z.string(), members: z.array(z.string()) }),
  { origin: 'acme', origin_id: '2', members: ['ci', 'jane'] },
)

export function wireMembers(
  origin: { id: number; name: string },
  members: readonly string[],
): Json<typeof Members> {
  return { origin: origin.name, origin_id: String(origin.id), members }
}

export const MemberRole = named('HabitatMemberRole', z.object({ role: z.string() }), { role: 'maintainer' })

const invitationShape = z.object({
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
const EXAMPLE: z.input<typeof invitationShape> = {
  id: '9',
  account_id: '4',
  account_name: 'ci',
  owner_id: '1',
  origin: 'acme',
  origin_id: '2',
  origin_name: 'acme',
  ignored: false,
  created_at: EXAMPLE_TIME,
  updated_at: EXAMPLE_TIME,
}
export const Invitation = named('HabitatInvitation', invitationShape, EXAMPLE)
export const OwnInvitations = named('HabitatOwnInvitations', z.array(Invitation), [EXAMPLE])

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

export const Invitations = named(
  'HabitatInvitations',
  z.object({ origin: z.string(), origin_id: z.string(), invitations: z.array(Invitation) }),
  { origin: 'acme', origin_id: '2', invitations: [EXAMPLE] },
)

export function wireInvitations(
  origin: { id: number; name: string },
  invitations: readonly StoredInvitation[],
): Json<typeof Invitations> {
  return { origin: origin.name, origin_id: String(origin.id), invitations: invitations.map(wireInvitation) }
}

export const NewSecret = named(
  'HabitatNewSecret',
  z.object({ name: z.string().min(1), value: z.string().min(1) }),
  { name: 'deploy_key', value: ENCRYPTED },
)

/** The value is as the client sent it. */
const Secret = z.object({ id: z.string(), origin_id: z.string(), name: z.string(), value: z.string() })
export const Secrets = named('HabitatSecrets', z.array(Secret), [
  { id: '6', origin_id: '2', name: 'deploy_key', value: ENCRYPTED },
])

export function wireSecret(secret: StoredSecret, value: string): Json<typeof Secret> {
  return { id: String(secret.id), origin_id: String(secret.originId), name: secret.name, value }
}

/** The names of integrations by type: `{"docker": ["hub", "quay"]}`. */
export const Integrations = named('HabitatIntegrations', z.record(z.string(), z.array(z.string())), {
  docker: ['hub', 'quay'],
})

export function wireIntegrations(integrations: readonly IntegrationName[]): Json<typeof Integrations> {
  const types = Map.groupBy(integrations, ({ type }) => type)
  return Object.fromEntries([...types].map(([type, names]) => [type, names.map(({ name }) => name)]))
}

export const IntegrationNames = named('HabitatIntegrationNames', z.object({ names: z.array(z.string()) }), {
  names: ['hub', 'quay'],
})

/** The fields of an integration, as the client sent them. */
export const IntegrationBody = named('HabitatIntegrationFields', z.record(z.string(), z.unknown()), {
  url: 'https://index.docker.io/v1',
  username: 'acme',
  password: 'secret',
})

export const Integration = named(
  'HabitatIntegration',
  z.object({
    origin: z.string(),
    integration: z.string().describe('the type'),
    name: z.string(),
    body: IntegrationBody,
  }),
  {
    origin: 'acme',
    integration: 'docker',
    name: 'hub',
    body: { url: 'https://index.docker.io/v1', username: 'acme' },
  },
)

/** Converts an integration, without its password. */
export function wireIntegration(
  origin: string,
  { type, name }: IntegrationName,
  body: Json<typeof IntegrationBody>,
): Json<typeof Integration> {
  const { password: _password, ...shown } = body
  return { origin, integration: type, name, body: shown }
}
