import { formatPublicKey, formatSecretKey, generateKeyPair } from '../hart/origin-key.ts'
import type { SecretBox } from './secret-box.ts'
import { secretKeyPurpose } from './secret-purposes.ts'

/** Makes a pair of keys for an origin, with the secret one encrypted. `at` is in epoch milliseconds. */
export function makeOriginKey(
  origin: string,
  { at, secrets }: { at: number; secrets: SecretBox },
): { revision: string; publicBody: string; secretBody: string } {
  const { publicKey, secretKey } = generateKeyPair(origin, at)
  const { revision } = publicKey
  return {
    revision,
    publicBody: formatPublicKey(publicKey),
    secretBody: secrets.seal(formatSecretKey(secretKey), secretKeyPurpose(origin, revision)),
  }
}
