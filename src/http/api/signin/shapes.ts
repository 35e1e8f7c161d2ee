import { z } from 'zod'
import { ACTIONS } from '../../../access/access.ts'
import { MAX_CLAIMS, MAX_CLAIM_VALUES, PROVIDERS, parseRuleName } from '../../../signin/exchange-rule.ts'
import type { Provider } from '../../../signin/exchange-rule.ts'
import { MAX_SUBJECT_LENGTH } from '../../../signin/person.ts'
import { parseIssuer } from '../../../signin/issuer.ts'
import { LATER, NOW, YESTERDAY } from '../conventions/examples.ts'
import { Next, Time, named, textOf } from '../conventions/shapes.ts'
import { MAX_NAMES } from '../tokens/shapes.ts'

// Shapes of exchange rules, of the exchange of ID tokens, of device sign-ins and of bound identities.

const MAX_ID_TOKEN_LENGTH = 16_000
const MAX_CLAIM_LENGTH = 1_000
const MAX_DEVICE_CODE_LENGTH = 4_000
const PROVIDER_NAMES = Object.keys(PROVIDERS) as [Provider, ...Provider[]]

export const RulePath = z.object({ rule: z.string() })

const CLAIMS = { repository_id: ['493721345'], ref: ['refs/heads/main'] }

const ClaimValue = z.string().min(1).max(MAX_CLAIM_LENGTH)

export const NewExchangeRule = named(
  'NewExchangeRule',
  z.strictObject({
    provider: z.enum(PROVIDER_NAMES).describe('the CI system'),
    issuer: textOf(parseIssuer)
      .optional()
      .describe('the URL that signs the ID tokens; default: that of the public service'),
    claims: z
      .record(z.string().max(100), z.array(ClaimValue).min(1).max(MAX_CLAIM_VALUES))
      .refine((claims) => Object.keys(claims).length <= MAX_CLAIMS, `has more than ${MAX_CLAIMS} claims`)
      .describe(
        'the allowed values of each claim. The ID token must have every claim, with one of its values. One claim must be repository_id or repository_owner_id for GitHub, project_id or namespace_id for GitLab, pipeline_id or organization_id for Buildkite',
      ),
    account: z.string().describe('the account of the tokens'),
    actions: z.array(z.enum(ACTIONS)).min(1).describe('the only actions that the tokens allow'),
    origins: z.array(z.string()).max(MAX_NAMES).optional().describe('the only origins that they reach'),
    views: z.array(z.string()).max(MAX_NAMES).optional().describe('the only views that they may change'),
    lifetime: z
      .string()
      .regex(/^[1-9]\d{0,3}[mh]$/, 'must be a period such as 30m or 2h')
      .default('1h')
      .describe('how long the tokens are valid, from 1m to 24h'),
  }),
  {
    provider: 'github',
    claims: CLAIMS,
    account: 'ci',
    actions: ['upload', 'promote'],
    origins: ['acme'],
    views: ['acceptance'],
    lifetime: '30m',
  },
)

const RULE = {
  rule: 'acme-app',
  provider: 'github' as const,
  issuer: PROVIDERS.github.issuer,
  claims: CLAIMS,
  account: 'ci',
  actions: ['upload' as const, 'promote' as const],
  origins: ['acme'],
  views: ['acceptance'],
  lifetime_seconds: 1_800,
  created_at: YESTERDAY,
  updated_at: NOW,
}

export const ExchangeRule = named(
  'ExchangeRule',
  z.object({
    rule: z.string().describe('the name of the rule'),
    provider: z.enum(PROVIDER_NAMES),
    issuer: z.string(),
    claims: z.record(z.string(), z.array(z.string())),
    account: z.string(),
    actions: z.array(z.enum(ACTIONS)),
    origins: z.array(z.string()).nullable().describe('null for any origin'),
    views: z.array(z.string()).nullable().describe('null for any view'),
    lifetime_seconds: z.int(),
    created_at: Time,
    updated_at: Time,
  }),
  RULE,
)

export const ExchangeRules = named('ExchangeRules', z.object({ rules: z.array(ExchangeRule), next: Next }), {
  rules: [RULE],
  next: null,
})

export const TokenExchange = named(
  'TokenExchange',
  z.strictObject({
    id_token: z
      .string()
      .min(1)
      .max(MAX_ID_TOKEN_LENGTH)
      .describe('the ID token (a JSON Web Token) that the CI system issued to the job for this depot'),
    rule: textOf(parseRuleName).optional().describe('the rule to use, if several match the job'),
  }),
  { id_token: 'eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJyZXBvOmFjbWUvYXBwIn0.c2lnbmF0dXJl' },
)

export const ExchangedToken = named(
  'ExchangedToken',
  z.object({
    token: z.string().describe('the token, which is shown only now'),
    id: z.int().describe('the id of the token'),
    rule: z.string(),
    account: z.string(),
    expires_at: Time,
  }),
  {
    token: 'hart_Zx1kq0eV0m2yXr3bN8sW5tQ7uA9cD4fG6hJ1kL3mP5o',
    id: 7,
    rule: 'acme-app',
    account: 'ci',
    expires_at: LATER,
  },
)

export const DeviceAuthorization = named(
  'DeviceAuthorization',
  z.object({
    device_code: z.string().describe('the secret with which the program requests the token'),
    user_code: z.string().describe('the code that the person enters'),
    verification_url: z.string().describe('the URL at which the person enters the code'),
    complete_url: z
      .string()
      .nullable()
      .describe('verification_url with the code in it; null if there is none'),
    expires_seconds: z.number(),
    interval_seconds: z.number().describe('how long to wait between two requests for the token'),
  }),
  {
    device_code: 'GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS',
    user_code: 'WDJB-MJHT',
    verification_url: 'https://login.example/device',
    complete_url: 'https://login.example/device?user_code=WDJB-MJHT',
    expires_seconds: 600,
    interval_seconds: 5,
  },
)

export const DeviceCode = named(
  'DeviceCode',
  z.strictObject({ device_code: z.string().min(1).max(MAX_DEVICE_CODE_LENGTH) }),
  { device_code: 'GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS' },
)

export const DeviceToken = named(
  'DeviceToken',
  z.object({
    state: z.enum(['pending', 'slow_down', 'done']),
    token: z.string().nullable().describe('the token, which is shown only now; null until the state is done'),
    account: z.string().nullable(),
    expires_at: Time.nullable(),
    groups: z.array(z.string()).nullable().describe('the groups of the person'),
  }),
  {
    state: 'done',
    token: 'hart_Zx1kq0eV0m2yXr3bN8sW5tQ7uA9cD4fG6hJ1kL3mP5o',
    account: 'jane',
    expires_at: LATER,
    groups: ['payments'],
  },
)

export const IdentityPath = z.object({ account: z.string() })

const identity = {
  issuer: textOf(parseIssuer).optional().describe('default: the single sign-on of this depot'),
  subject: z
    .string()
    .min(1)
    .max(MAX_SUBJECT_LENGTH)
    .describe('the name that the single sign-on gives the person for good (sub), not an e-mail address'),
}

export const NewIdentity = named('NewIdentity', z.strictObject(identity), { subject: '248289761001' })
export const IdentityQuery = z.strictObject(identity)

export const Identities = named(
  'Identities',
  z.object({
    account: z.string(),
    identities: z.array(z.object({ issuer: z.string(), subject: z.string(), created_at: Time })),
  }),
  {
    account: 'jane',
    identities: [{ issuer: 'https://login.example', subject: '248289761001', created_at: NOW }],
  },
)
