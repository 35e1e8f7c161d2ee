import { z } from 'zod'
import { ACTIONS } from '../../../access/access.ts'
import { LATER, NEXT_WEEK, NOW } from '../conventions/examples.ts'
import { Next, PageQuery, Time, named } from '../conventions/shapes.ts'

// Shapes of tokens.

const MAX_LABEL_LENGTH = 200
export const MAX_NAMES = 1_000

export const TokenPath = z.object({
  token: z
    .string()
    .regex(/^\d{1,15}$/, 'must be the id of a token')
    .describe('the id of the token'),
})

export const TokensQuery = PageQuery.extend({
  account: z
    .string()
    .optional()
    .describe('the tokens of this account (other accounts: administrators only); default: your own'),
  all: z
    .enum(['true', 'false'])
    .default('false')
    .describe('the tokens of all accounts (administrators only)'),
})

const Narrowing = {
  actions: z.array(z.enum(ACTIONS)).optional().describe('the only actions that the token allows'),
  origins: z.array(z.string()).max(MAX_NAMES).optional().describe('the only origins that the token reaches'),
  views: z
    .array(z.string())
    .max(MAX_NAMES)
    .optional()
    .describe(
      'the only views that the token may change; if read is its only action, also the only ones that it reads',
    ),
  expires: z
    .string()
    .optional()
    .describe('a period such as 90d, 12h, 30m, 4w or 1y, or a date or time (UTC)'),
}

export const NewToken = named(
  'NewToken',
  z.strictObject({
    account: z.string().optional().describe('another account (administrators only); default: your own'),
    label: z.string().max(MAX_LABEL_LENGTH).default(''),
    ...Narrowing,
  }),
  {
    account: 'ci',
    label: 'pipeline of acme/app',
    actions: ['upload', 'promote'],
    origins: ['acme'],
    views: ['acceptance'],
    expires: '90d',
  },
)

export const NarrowedToken = named(
  'NarrowedToken',
  z
    .strictObject(Narrowing)
    .refine(
      (body) => Object.values(body).some((value) => value !== undefined),
      'must set at least one field',
    ),
  { actions: ['upload'], expires: '8h' },
)

const CI = {
  id: 7,
  account: 'ci',
  label: 'pipeline of acme/app',
  state: 'active' as const,
  current: false,
  created_at: NOW,
  expires_at: NEXT_WEEK,
  revoked_at: null,
  last_used_at: LATER,
  actions: ['upload' as const, 'promote' as const],
  origins: ['acme'],
  views: ['acceptance'],
}

export const Token = named(
  'Token',
  z.object({
    id: z.int(),
    account: z.string(),
    label: z.string(),
    state: z.enum(['active', 'expired', 'revoked', 'disabled']).describe('disabled: its account is disabled'),
    current: z.boolean().describe('whether this request was made with the token'),
    created_at: Time,
    expires_at: Time.nullable(),
    revoked_at: Time.nullable(),
    last_used_at: Time.nullable().describe(
      'about when the token was last used; null if it was never used. It may lag by eleven minutes',
    ),
    actions: z.array(z.enum(ACTIONS)).nullable().describe('null for any action'),
    origins: z.array(z.string()).nullable().describe('null for any origin'),
    views: z.array(z.string()).nullable().describe('null for any view'),
  }),
  CI,
)

export const Tokens = named('Tokens', z.object({ tokens: z.array(Token), next: Next }), {
  tokens: [CI],
  next: null,
})

export const MadeToken = named(
  'MadeToken',
  Token.extend({ secret: z.string().describe('the token itself, which is shown only now') }),
  { ...CI, last_used_at: null, secret: 'hart_Zx1kq0eV0m2yXr3bN8sW5tQ7uA9cD4fG6hJ1kL3mP5o' },
)
