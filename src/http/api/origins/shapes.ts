import { z } from 'zod'
import { ROLES } from '../../../access/access.ts'
import { YESTERDAY } from '../conventions/examples.ts'
import { Next, Time, named } from '../conventions/shapes.ts'

// Shapes of origins and their members.

export const OriginPath = z.object({ origin: z.string() })

export const MemberPath = z.object({ origin: z.string(), account: z.string() })

export const MemberBody = named('NewMember', z.strictObject({ role: z.enum(ROLES).exclude(['owner']) }), {
  role: 'maintainer',
})

export const Origin = named(
  'Origin',
  z.object({
    name: z.string(),
    owner: z.string(),
    default_visibility: z.enum(['public', 'private', 'hidden']),
    created_at: Time,
  }),
  { name: 'acme', owner: 'jane', default_visibility: 'public', created_at: YESTERDAY },
)

const OriginMember = named('OriginMember', z.object({ account: z.string(), role: z.enum(ROLES) }))

export const OriginMembers = named(
  'OriginMembers',
  z.object({ origin: z.string(), members: z.array(OriginMember), next: Next }),
  {
    origin: 'acme',
    members: [
      { account: 'ci', role: 'maintainer' },
      { account: 'jane', role: 'owner' },
    ],
    next: null,
  },
)

export const MemberAnswer = named(
  'MemberChange',
  OriginMember.extend({ origin: z.string(), changed: z.boolean() }),
  { origin: 'acme', account: 'ci', role: 'maintainer', changed: true },
)
