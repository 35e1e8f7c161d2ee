import { DepotError, quote } from '../errors.ts'
import { isSecure } from '../text/address-ranges.ts'

const MAX_ISSUER_LENGTH = 500

/**
 * Checks the URL of an issuer (OpenID Connect Discovery 1.0, 3), and returns it unchanged. It must be https,
 * because the issuer's keys decide who gets tokens. Loopback addresses may use http, for tests and
 * demonstrations; the depot connects to them only if `DEPOT_ISSUER_NETWORKS` allows it. Throws
 * `invalid_request`.
 */
export function parseIssuer(text: string): string {
  const url = URL.parse(text)
  const isPlain = url !== null && url.username + url.password + url.search + url.hash === ''
  if (!isPlain || !isSecure(url) || text.length > MAX_ISSUER_LENGTH)
    throw new DepotError(
      'invalid_request',
      `${quote(text)} is not the URL of an issuer: https, without user, password, ? and #`,
    )
  return text
}
