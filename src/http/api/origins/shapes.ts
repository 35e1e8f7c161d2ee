import { z } from 'zod'
import { ROLES } from '../../../access/access.ts'
import { NOW, YESTERDAY } from '../conventions/examples.ts'
import { Next, PageQuery, Time, Visibility, named } from '../conventions/shapes.ts'

// Shapes of origins and their members.

export const OriginPath = z.object({ origin: z.string() })

export const KeyRevisionPath = OriginPath.extend({
  revision: z.string().regex(/^\d{14}$/, 'must be the 14 digits of a key'),
})

export const OriginKeyPath = OriginPath.extend({
  revision: z.string().regex(/^(latest|\d{14})$/, 'must be latest, or the 14 digits of a key'),
})

export const OriginsQuery = PageQuery.extend({
  member: z.enum(['true', 'false']).default('false').describe('only origins in which the caller has a role'),
})

const DefaultVisibility = z.enum(['public', 'private']).describe('the visibility of new packages')

export const NewOrigin = named(
  'NewOrigin',
  z.strictObject({ name: z.string(), default_visibility: DefaultVisibility.default('public') }),
  { name: 'acme' },
)

export const OriginChanges = named(
  'OriginChanges',
  z.strictObject({ default_visibility: DefaultVisibility }),
  { default_visibility: 'private' },
)

export const NewOwner = named(
  'NewOwner',
  z.strictObject({
    account: z.string(),
    former_owner: z
      .enum(['maintainer', 'removed'])
      .default('maintainer')
      .describe('the role of the former owner from now on, or removed'),
  }),
  { account: 'jane' },
)

const KEY_FILE = 'SIG-PUB-1\nacme-20250101000000\n\nI/qkPYCRb51m7QP4EjVTXsKyPpj38P2mK520Kv9IESg='
const KeyFile = z.string().describe('the key file, as Habitat has it')

export const OriginKeyText = named('OriginKeyFile', KeyFile, KEY_FILE)

export const MemberPath = z.object({ origin: z.string(), account: z.string() })

export const MemberBody = named('NewMember', z.strictObject({ role: z.enum(ROLES).exclude(['owner']) }), {
  role: 'maintainer',
})

export const GroupPath = z.object({ origin: z.string(), group: z.string() })

const GROUP = { group: 'payments', role: 'maintainer' as const }

export const OriginGroups = named(
  'OriginGroups',
  z.object({
    origin: z.string(),
    groups: z.array(z.object({ group: z.string(), role: z.enum(ROLES).exclude(['owner']) })),
  }),
  { origin: 'acme', groups: [GROUP] },
)

export const GroupAnswer = named(
  'OriginGroup',
  z.object({
    origin: z.string(),
    group: z.string(),
    role: z.enum(ROLES).exclude(['owner']),
    changed: z.boolean().describe('false if the group had the role before'),
  }),
  { origin: 'acme', ...GROUP, changed: true },
)

export const Origin = named(
  'Origin',
  z.object({
    name: z.string(),
    owner: z.string(),
    default_visibility: Visibility,
    is_upstream: z.boolean().describe('whether its releases and keys come from the upstream depot'),
    created_at: Time,
  }),
  { name: 'acme', owner: 'jane', default_visibility: 'public', is_upstream: false, created_at: YESTERDAY },
)

export const Origins = named(
  'Origins',
  z.object({
    origins: z.array(Origin.extend({ role: z.enum(ROLES).nullable().describe("the caller's role") })),
    next: Next,
  }),
  {
    origins: [
      {
        name: 'acme',
        owner: 'jane',
        default_visibility: 'public',
        is_upstream: false,
        created_at: YESTERDAY,
        role: 'maintainer',
      },
    ],
    next: null,
  },
)

const KeyName = { key: z.string().describe('the name of the key'), revision: z.string() }
const KEY_NAME = { key: 'acme-20250101000000', revision: '20250101000000' }

export const OriginKey = named('OriginKey', z.object({ ...KeyName, origin: z.string(), file: KeyFile }), {
  ...KEY_NAME,
  origin: 'acme',
  file: KEY_FILE,
})

export const OriginKeys = named(
  'OriginKeys',
  z.object({ origin: z.string(), keys: z.array(z.object({ ...KeyName, added_at: Time })), next: Next }),
  { origin: 'acme', keys: [{ ...KEY_NAME, added_at: NOW }], next: null },
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

const SECRET_KEY_FILE = 'SIG-SEC-1\nacme-20250101000000\n\nI/qkPYCRb51m7QP4EjVTXsKyPpj38P2mK520Kv9IESg…'

export const OriginSecretKeyText = named('OriginSecretKeyFile', KeyFile, SECRET_KEY_FILE)

export const OriginSecretKey = named(
  'OriginSecretKey',
  z.object({ ...KeyName, origin: z.string(), file: KeyFile }),
  { ...KEY_NAME, origin: 'acme', file: SECRET_KEY_FILE },
)

/** The answer after a secret key was stored does not repeat it. */
export const StoredSecretKey = named('StoredSecretKey', z.object({ ...KeyName, origin: z.string() }), {
  ...KEY_NAME,
  origin: 'acme',
})

export const InvitationPath = OriginPath.extend({
  invitation: z.string().regex(/^\d{1,15}$/, 'must be the id of an invitation'),
})

export const NewInvitation = named('NewInvitation', z.strictObject({ account: z.string() }), {
  account: 'jane',
})

export const Invitation = named(
  'Invitation',
  z.object({
    id: z.int(),
    origin: z.string(),
    account: z.string().describe('who is invited'),
    ignored: z.boolean().describe('whether the account ignores it'),
    created_at: Time,
  }),
  { id: 7, origin: 'acme', account: 'jane', ignored: false, created_at: NOW },
)

export const Invitations = named('Invitations', z.object({ invitations: z.array(Invitation), next: Next }), {
  invitations: [{ id: 7, origin: 'acme', account: 'jane', ignored: false, created_at: NOW }],
  next: null,
})

const Patterns = z.array(z.string()).describe('names in which * stands for any text')

export const ReservedNames = named('ReservedNames', z.object({ patterns: Patterns }), {
  patterns: ['acme-*', 'core'],
})

export const ReservationChange = named(
  'ReservationChange',
  z.strictObject({ add: Patterns.optional(), remove: Patterns.optional() }),
  { add: ['acme-*'] },
)
