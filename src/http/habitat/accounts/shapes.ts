import { z } from 'zod'
import type { Account } from '../../../accounts/account-store.ts'
import type { ProfileToken } from '../../../accounts/profile-token-store.ts'
import type { OwnOrigin as CallersOrigin } from '../../../origins/origin-store.ts'
import { named } from '../../requests/described.ts'
import { EXAMPLE_TIME, Visibility, wireTime } from '../conventions/shapes.ts'
import type { Json } from '../conventions/shapes.ts'

// Habitat's JSON for the caller's own account (habitat-today.md 3.4 and 6).

const MASKED = '********'

/** An origin of the caller. */
const OwnOrigin = z.object({
  owner_id: z.string(),
  name: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  default_package_visibility: Visibility,
  package_count: z.int(),
})
export const OwnOrigins = named('HabitatOwnOrigins', z.array(OwnOrigin), [
  {
    owner_id: '1',
    name: 'acme',
    created_at: EXAMPLE_TIME,
    updated_at: EXAMPLE_TIME,
    default_package_visibility: 'public',
    package_count: 1,
  },
])

export function wireOwnOrigin(origin: CallersOrigin): Json<typeof OwnOrigin> {
  return {
    owner_id: String(origin.ownerId),
    name: origin.name,
    created_at: wireTime(origin.createdAt),
    updated_at: wireTime(origin.updatedAt),
    default_package_visibility: origin.defaultVisibility,
    package_count: origin.packageCount,
  }
}

export const ChangedProfile = named('HabitatNewProfile', z.object({ email: z.string().min(1).max(254) }), {
  email: 'jane@example.com',
})

export const Profile = named(
  'HabitatProfile',
  z.object({
    id: z.string(),
    name: z.string(),
    email: z.string(),
    created_at: z.string(),
    updated_at: z.string(),
  }),
  { id: '1', name: 'jane', email: 'jane@example.com', created_at: EXAMPLE_TIME, updated_at: EXAMPLE_TIME },
)

export function wireProfile(account: Account): Json<typeof Profile> {
  return {
    id: String(account.id),
    name: account.name,
    email: account.email ?? '',
    created_at: wireTime(account.createdAt),
    updated_at: wireTime(account.updatedAt),
  }
}

const tokenShape = z.object({
  id: z.string(),
  account_id: z.string(),
  token: z.string(),
  created_at: z.string(),
})
const EXAMPLE: z.input<typeof tokenShape> = {
  id: '3',
  account_id: '1',
  token: MASKED,
  created_at: EXAMPLE_TIME,
}
export const Token = named('HabitatToken', tokenShape, {
  ...EXAMPLE,
  token: 'hart_7Yk2sQ0bJm5dX1nVt9aRcE4uWf8pLz',
})
export const Tokens = named('HabitatTokens', z.object({ tokens: z.array(Token) }), { tokens: [EXAMPLE] })

/** Converts a token. Only a token that was just made is shown, because the depot stores only its digest. */
export function wireToken(made: ProfileToken, token: string = MASKED): Json<typeof Token> {
  return {
    id: String(made.id),
    account_id: String(made.accountId),
    token,
    created_at: wireTime(made.createdAt),
  }
}
