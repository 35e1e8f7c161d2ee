import { DepotError } from '../errors.ts'
import { formatKeyName, verifyWith } from './origin-key.ts'
import type { PublicKey } from './origin-key.ts'
import type { HartHeader } from './header.ts'

const SIGNATURE_BYTES = 64

/**
 * Checks that `publicKey` signed the payload with the given hash (64 hex characters). The caller decides
 * whether to trust that key, and what to do if no key is known for the signer. Throws `signature_invalid`
 * with the reason.
 */
export function verifySignature(header: HartHeader, payloadHash: string, publicKey: PublicKey): void {
  const signer = formatKeyName(header.signer)
  const signature = header.signedMessage.subarray(0, SIGNATURE_BYTES)
  const signed = header.signedMessage.subarray(SIGNATURE_BYTES)

  if (formatKeyName(publicKey) !== signer)
    throw invalid(`it is signed by ${signer}, not by ${formatKeyName(publicKey)}`)
  if (!verifyWith(publicKey, signed, signature)) throw invalid(`its signature was not made by ${signer}`)
  if (signed.toString('latin1') !== payloadHash)
    throw invalid(`${signer} signed other bytes than its payload`)
}

function invalid(why: string): DepotError {
  return new DepotError('signature_invalid', `the package is refused: ${why}`)
}
