import { z } from 'zod'
import { ACTIONS, ROLES } from '../../../access/access.ts'
import { NEXT_WEEK } from '../conventions/examples.ts'
import { Time, named } from '../conventions/shapes.ts'

// Shapes of accounts.

export const AccountPath = z.object({ account: z.string() })

export const Account = named('Account', z.object({ account: z.string() }), { account: 'ci' })

export const WhoAmI = named(
  'WhoAmI',
  z.object({
    account: z.string(),
    administrator: z.boolean(),
    token: z.object({
      expires_at: Time.nullable(),
      actions: z.array(z.enum(ACTIONS)).nullable().describe('null for any action'),
      origins: z.array(z.string()).nullable(),
      views: z.array(z.string()).nullable(),
    }),
    roles: z
      .record(z.string(), z.enum(ROLES))
      .describe('roles by origin, limited to the origins of the token'),
  }),
  {
    account: 'ci',
    administrator: false,
    token: { expires_at: NEXT_WEEK, actions: ['read', 'promote'], origins: ['acme'], views: ['acceptance'] },
    roles: { acme: 'maintainer' },
  },
)
