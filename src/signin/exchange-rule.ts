import type { Scope } from '../access/access.ts'
import { DepotError, quote } from '../errors.ts'
import { parseIssuer } from './issuer.ts'

// Exchange rules decide which jobs of a CI system get tokens of this depot.

/**
 * The CI systems. `issuer` is that of the public service. The `immutable` claims identify a project or its
 * owner, and no other project or owner can ever have the same values.
 */
export const PROVIDERS = {
  github: {
    issuer: 'https://token.actions.githubusercontent.com',
    immutable: ['repository_id', 'repository_owner_id'],
  },
  gitlab: { issuer: 'https://gitlab.com', immutable: ['project_id', 'namespace_id'] },
  buildkite: { issuer: 'https://agent.buildkite.com', immutable: ['pipeline_id', 'organization_id'] },
} as const

export type Provider = keyof typeof PROVIDERS

export interface ExchangeRule {
  readonly name: string
  readonly provider: Provider
  readonly issuer: string
  /** The allowed values of each claim. An ID token must have every claim, with one of its values. */
  readonly claims: Readonly<Record<string, readonly string[]>>
  /** The name of the account whose token the job gets. */
  readonly account: string
  /** The limits of that token. `actions` is never absent or empty. */
  readonly scope: Scope
  /** How long that token is valid. */
  readonly lifetimeMs: number
}

/** The claims of a verified ID token. */
export type Claims = Readonly<Record<string, unknown>>

export const DEFAULT_LIFETIME_MS = 60 * 60_000
export const MIN_LIFETIME_MS = 60_000
export const MAX_LIFETIME_MS = 24 * 60 * 60_000
export const MAX_EXCHANGE_RULES = 1_000
export const MAX_CLAIMS = 20
export const MAX_CLAIM_VALUES = 100

const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/
/** Claims that a rule cannot name: they do not describe the job, and the depot checks most of them itself. */
const NOT_OF_A_JOB: readonly string[] = ['iss', 'aud', 'exp', 'nbf', 'iat', 'jti']

/** Parses the name of a rule. Throws `invalid_request`. */
export function parseRuleName(text: string): string {
  if (NAME.test(text)) return text
  throw new DepotError(
    'invalid_request',
    `${quote(text)} is not the name of a rule: lower-case letters, digits, _ and -, at most 64`,
  )
}

/**
 * Checks a rule, except its name and account. Throws `invalid_request` for an issuer that is not a valid URL,
 * a claim that no rule can name, absent actions, and a lifetime outside the limits. Also refuses a rule
 * without an immutable claim of its provider, because somebody else can later get the name of a project.
 */
export function expectValidRule({ provider, issuer, claims, scope, lifetimeMs }: ExchangeRule): void {
  parseIssuer(issuer)
  const { immutable } = PROVIDERS[provider]
  if (!immutable.some((claim) => (claims[claim] ?? []).length > 0))
    throw new DepotError(
      'invalid_request',
      `a rule for ${provider} must name the claim ${immutable.join(' or ')}, which nobody else can get`,
    )
  const unusable = Object.keys(claims).find((claim) => NOT_OF_A_JOB.includes(claim))
  if (unusable !== undefined)
    throw new DepotError('invalid_request', `a rule cannot name the claim ${unusable}`)
  if ((scope.actions ?? []).length === 0)
    throw new DepotError('invalid_request', 'a rule must name the actions that its tokens allow')
  if (lifetimeMs < MIN_LIFETIME_MS || lifetimeMs > MAX_LIFETIME_MS)
    throw new DepotError('invalid_request', 'the tokens of a rule must live for 1 minute to 24 hours')
}

/**
 * Reports whether claims match a rule. Each claim that the rule names must be a string, a number or a
 * boolean, and must equal one of the rule's values as text. A list or an object never matches.
 */
export function matchesRule(rule: ExchangeRule, claims: Claims): boolean {
  return Object.entries(rule.claims).every(([name, allowed]) => {
    const value = Object.hasOwn(claims, name) ? claims[name] : undefined
    const isWhole = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    return isWhole && allowed.includes(String(value))
  })
}
