import { z } from 'zod'
import { DepotError } from '../errors.ts'
import { isSecure } from '../text/address-ranges.ts'
import { choice } from './setting-values.ts'

/** How the depot reaches the service in which people sign in, and what it makes of their claims. */
export interface SingleSignOnConfig {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecretFile: string | undefined
  /** Names of OAuth scopes, separated by spaces. */
  readonly scopes: string
  /** The claim that lists the groups of a person. */
  readonly groupsClaim: string
  /** Whether a person without an account gets one. */
  readonly makesAccounts: boolean
}

/** The settings of single sign-on. */
export const SINGLE_SIGN_ON_VARIABLES = {
  DEPOT_OIDC_ISSUER: z
    .url({ protocol: /^https?$/, error: 'must be a URL, such as https://login.example' })
    .refine(isSecureUrl, 'must be https')
    .optional(),
  DEPOT_OIDC_CLIENT_ID: z.string().optional(),
  DEPOT_OIDC_CLIENT_SECRET_FILE: z.string().optional(),
  DEPOT_OIDC_SCOPES: z
    .string()
    .regex(/\bopenid\b/, 'must contain openid')
    .default('openid profile'),
  DEPOT_OIDC_GROUPS_CLAIM: z.string().default('groups'),
  DEPOT_OIDC_NEW_ACCOUNTS: choice(['on', 'off']).default('off'),
}

type SingleSignOnVariables = z.infer<z.ZodObject<typeof SINGLE_SIGN_ON_VARIABLES>>

/**
 * Reads the settings of single sign-on. Returns `undefined` if none are set. `resolve` makes paths absolute.
 * Throws `invalid_request`.
 */
export function singleSignOnConfig(
  env: SingleSignOnVariables,
  resolve: (path: string) => string,
): SingleSignOnConfig | undefined {
  const { DEPOT_OIDC_ISSUER: issuer, DEPOT_OIDC_CLIENT_ID: clientId } = env
  if ((issuer === undefined) !== (clientId === undefined))
    throw new DepotError('invalid_request', 'set DEPOT_OIDC_ISSUER and DEPOT_OIDC_CLIENT_ID both, or neither')
  if (issuer === undefined || clientId === undefined) return undefined
  return {
    issuer,
    clientId,
    clientSecretFile: env.DEPOT_OIDC_CLIENT_SECRET_FILE && resolve(env.DEPOT_OIDC_CLIENT_SECRET_FILE),
    scopes: env.DEPOT_OIDC_SCOPES,
    groupsClaim: env.DEPOT_OIDC_GROUPS_CLAIM,
    makesAccounts: env.DEPOT_OIDC_NEW_ACCOUNTS === 'on',
  }
}

function isSecureUrl(text: string): boolean {
  const url = URL.parse(text)
  return url === null || isSecure(url) // z.url reports what is no URL
}
