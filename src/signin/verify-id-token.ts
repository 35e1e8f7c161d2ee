import { hash } from 'node:crypto'
import type { errors } from 'jose'
import { DepotError } from '../errors.ts'
import type { Claims } from './exchange-rule.ts'
import type { IssuerKeys, KnownKeys } from './issuer-keys.ts'

/** The maximum difference between the clocks of an issuer and of the depot. */
export const MAX_CLOCK_DIFFERENCE_S = 60

/** The accepted algorithms. Symmetric ones are refused, because every verifier could sign with their keys. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']

/** An ID token that passed {@link verifyIdToken}. */
export interface VerifiedToken {
  readonly issuer: string
  readonly subject: string
  readonly claims: Claims
  /**
   * The SHA-256 of the signed part, in hex. It identifies the token, because only the issuer can change that
   * part.
   */
  readonly hash: string
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

/**
 * Returns the issuer that a token names, and verifies nothing. Throws `unauthenticated` for a text that is
 * not a JSON Web Token or names no issuer.
 */
export async function readIssuer(token: string): Promise<string> {
  const { decodeJwt } = await import('jose')
  try {
    const { iss } = decodeJwt(token)
    if (typeof iss === 'string') return iss
  } catch {
    // The message of the library may quote the token.
  }
  throw new DepotError('unauthenticated', 'the text is not an ID token')
}

/**
 * Verifies the signature, issuer, audience and times of an ID token. The token must name no other audience,
 * because another service that receives the token could then use it at this depot. `now` returns epoch
 * milliseconds. Throws `unauthenticated` for an invalid token, and `issuer_unavailable` if the keys of the
 * issuer cannot be read.
 */
export async function verifyIdToken(
  token: string,
  expected: { issuer: string; audience: string },
  { keys, now }: { keys: IssuerKeys; now: () => number },
): Promise<VerifiedToken> {
  const { errors, jwtVerify } = await import('jose')
  const begun = now()
  const verify = async (known: KnownKeys) => {
    const { payload } = await jwtVerify(token, known.keys, {
      issuer: expected.issuer,
      algorithms: ALGORITHMS,
      clockTolerance: MAX_CLOCK_DIFFERENCE_S,
      currentDate: new Date(begun),
      requiredClaims: ['aud', 'exp', 'iat', 'sub'],
    })
    return payload
  }
  try {
    const known = await keys.read(expected.issuer)
    const {
      exp = 0,
      sub = '',
      ...claims
    } = await verify(known).catch(async (error: unknown) => {
      // The issuer may have begun to use a new key since its keys were read.
      if (!(error instanceof errors.JWKSNoMatchingKey) || known.readAt >= begun) throw error
      return verify(await keys.readNewer(expected.issuer, known.readAt))
    })
    expectAudience(claims.aud, expected.audience)
    return {
      issuer: expected.issuer,
      subject: sub,
      claims: { ...claims, sub },
      hash: hash('sha256', token.slice(0, token.lastIndexOf('.')), 'hex'),
      expiresAt: exp * 1_000,
    }
  } catch (error) {
    throw error instanceof errors.JOSEError
      ? new DepotError('unauthenticated', explain(error, begun), { cause: error })
      : error
  }
}

function expectAudience(audience: string | string[] | undefined, expected: string): void {
  const named = [audience ?? []].flat()
  if (named.length === 1 && named[0] === expected) return
  throw new DepotError(
    'unauthenticated',
    `the ID token is for the audience ${named.join(', ')}, and this depot is ${expected}: request a token for that audience alone`,
  )
}

/** Explains a refusal without quoting values of the token. */
function explain(error: errors.JOSEError, now: number): string {
  const clock = `the clock of this depot says ${new Date(now).toISOString()}`
  if (error.code === 'ERR_JWT_EXPIRED') return `the ID token has expired; ${clock}`
  if (error.code === 'ERR_JWT_CLAIM_VALIDATION_FAILED' && 'claim' in error)
    return error.claim === 'nbf'
      ? `the ID token is not valid yet; ${clock}`
      : `the claim ${String(error.claim)} of the ID token is missing or not valid`
  return SENTENCES[error.code] ?? 'the text is not a valid ID token'
}

const SENTENCES: Readonly<Record<string, string>> = {
  ERR_JWKS_NO_MATCHING_KEY: 'the ID token is signed with a key that its issuer does not publish',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'the signature of the ID token is wrong',
  ERR_JOSE_ALG_NOT_ALLOWED: 'the ID token is signed in a way that is not accepted',
  ERR_JOSE_NOT_SUPPORTED: 'the ID token is signed in a way that is not accepted',
}
