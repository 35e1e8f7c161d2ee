import { DepotError, quote } from '../errors.ts'
import { isDepotKeyId, signWithDepotKey, verifyWithDepotKey } from './depot-key.ts'
import type { DepotKey, DepotSecretKey } from './depot-key.ts'
import { MAX_LOCKFILE_BYTES, formatLockfile, parseLockfile } from './lockfile.ts'
import type { Lockfile } from './lockfile.ts'

// The last line of a lockfile names the depot's key, and signs all bytes before it:
//
//   signature {id} {base64 of the 64 bytes of the Ed25519 signature}

export interface SignedLockfile extends Lockfile {
  /** The key that signed it. */
  readonly key: DepotKey
}

const SIGNATURE = 'signature '
const SIGNATURE_BYTES = 64

/** Formats a lockfile, and signs it with a key of the depot. */
export function signLockfile(lockfile: Lockfile, key: DepotSecretKey): string {
  const body = formatLockfile(lockfile)
  return `${body}${SIGNATURE}${key.id} ${signWithDepotKey(key, Buffer.from(body)).toString('base64')}\n`
}

/**
 * Reads a lockfile that one of the keys signed. The signature is verified before the body is parsed. Throws
 * `lockfile_malformed`, `signer_unknown` and `signature_invalid`.
 */
export function readLockfile(text: string, trustedKeys: readonly DepotKey[]): SignedLockfile {
  if (text.length > MAX_LOCKFILE_BYTES) throw malformed(`it has more than ${MAX_LOCKFILE_BYTES} bytes`)
  const { body, keyId, signature } = splitSignature(text)
  const key = trustedKeys.find(({ id }) => id === keyId)
  if (key === undefined)
    throw new DepotError(
      'signer_unknown',
      `the lockfile is signed with the depot key ${keyId}, which is not trusted here`,
    )
  if (!verifyWithDepotKey(key, Buffer.from(body), signature))
    throw new DepotError(
      'signature_invalid',
      `the lockfile was changed after the depot key ${keyId} signed it`,
    )
  return { ...parseLockfile(body), key }
}

/** Returns the id of the signing key that a lockfile names, not verified. Throws `lockfile_malformed`. */
export function claimedKeyId(text: string): string {
  return splitSignature(text).keyId
}

/** Divides a text into the signed bytes and the last line. Throws `lockfile_malformed`. */
function splitSignature(text: string): { body: string; keyId: string; signature: Buffer } {
  if (!text.startsWith('hart-depot-lock ')) throw malformed(`it starts with ${quote(text.slice(0, 40))}`)
  const start = text.lastIndexOf('\n', text.length - 2) + 1
  const line = text.slice(start)
  const [, keyId = '', encoded = ''] = /^signature (\S+) (\S+)\n$/.exec(line) ?? []
  const signature = Buffer.from(encoded, 'base64')
  if (
    !isDepotKeyId(keyId) ||
    signature.length !== SIGNATURE_BYTES ||
    signature.toString('base64') !== encoded
  ) {
    throw malformed(`it ends with ${quote(line)}, not with a signature: it may have been cut off`)
  }
  return { body: text.slice(0, start), keyId, signature }
}

function malformed(why: string): DepotError {
  return new DepotError('lockfile_malformed', `not a lockfile: ${why}`)
}
