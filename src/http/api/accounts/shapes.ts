import { z } from 'zod'
import { ACTIONS, ROLES } from '../../../access/access.ts'
import { NEXT_WEEK, NOW, YESTERDAY } from '../conventions/examples.ts'
import { Next, Time, named } from '../conventions/shapes.ts'

// Shapes of accounts.

const MAX_EMAIL_LENGTH = 254

export const AccountPath = z.object({ account: z.string() })

export const NewAccount = named(
  'NewAccount',
  z.strictObject({
    account: z.string().describe('letters, digits and . _ -'),
    email: z.string().min(1).max(MAX_EMAIL_LENGTH).optional(),
    administrator: z
      .boolean()
      .default(false)
      .describe('an administrator of the depot has the rights of an owner in every origin'),
  }),
  { account: 'ci', email: 'ci@example.com' },
)

export const AccountChanges = named(
  'AccountChanges',
  z.strictObject({ disabled: z.boolean().describe('whether the tokens of the account are refused') }),
  { disabled: true },
)

export const Account = named(
  'Account',
  z.object({ account: z.string().describe('the name of an account that exists') }),
  { account: 'ci' },
)

const CI = {
  account: 'ci',
  email: 'ci@example.com',
  administrator: false,
  created_at: YESTERDAY,
  disabled_at: null,
}

export const AccountDetail = named(
  'AccountDetail',
  Account.extend({
    email: z.string().nullable(),
    administrator: z.boolean(),
    created_at: Time,
    disabled_at: Time.nullable().describe('since when the tokens of the account are refused'),
  }),
  CI,
  { ...CI, disabled_at: NOW },
)

export const Accounts = named('Accounts', z.object({ accounts: z.array(AccountDetail), next: Next }), {
  accounts: [CI],
  next: null,
})

export const WhoAmI = named(
  'WhoAmI',
  z.object({
    account: z.string(),
    administrator: z.boolean(),
    token: z.object({
      id: z.int(),
      expires_at: Time.nullable(),
      actions: z.array(z.enum(ACTIONS)).nullable().describe('null for any action'),
      origins: z.array(z.string()).nullable(),
      views: z.array(z.string()).nullable(),
    }),
    groups: z.array(z.string()).describe('the groups that the single sign-on named when it issued the token'),
    roles: z
      .record(z.string(), z.enum(ROLES))
      .describe('roles by origin, limited to the origins of the token'),
  }),
  {
    account: 'ci',
    administrator: false,
    token: {
      id: 7,
      expires_at: NEXT_WEEK,
      actions: ['read', 'promote'],
      origins: ['acme'],
      views: ['acceptance'],
    },
    groups: ['payments'],
    roles: { acme: 'maintainer' },
  },
)
