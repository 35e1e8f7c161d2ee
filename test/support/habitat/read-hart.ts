import { createReadStream } from 'node:fs'
import { DepotError } from '../../../src/errors.ts'
import { formatKeyName } from '../../../src/hart/origin-key.ts'
import type { KeyName, PublicKey } from '../../../src/hart/origin-key.ts'
import { HartDigest } from '../../../src/hart/digest.ts'
import type { HartDigests } from '../../../src/hart/digest.ts'
import type { HartMetadata } from '../../../src/hart/metadata.ts'
import type { ArchiveScanner } from '../../../src/hart/scan.ts'
import { verifySignature } from '../../../src/hart/signature.ts'

export interface Hart extends HartDigests {
  /** `unknown_signer` if the key of the signer was not known. A wrong signature is an error. */
  readonly signature: 'valid' | 'unknown_signer'
  readonly metadata: HartMetadata
}

export interface ReadHartOptions {
  readonly keys: (signer: KeyName) => PublicKey | undefined
  readonly scanner: ArchiveScanner
  /** `require`, the default, refuses packages whose signer's key is unknown. `verify` accepts them. */
  readonly signatures?: 'require' | 'verify'
}

/**
 * Reads a hart file on disk: hashes it, checks the signature, and only then reads the archive. Throws
 * `hart_malformed`, `signer_unknown`, `signature_invalid` or `target_malformed`.
 */
export async function readHart(path: string, options: ReadHartOptions): Promise<Hart> {
  const digest = new HartDigest()
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES }))
    digest.update(chunk as Buffer)
  const digests = digest.finish()

  const key = options.keys(digests.header.signer)
  if (key === undefined && options.signatures !== 'verify') {
    throw new DepotError(
      'signer_unknown',
      `it is signed with ${formatKeyName(digests.header.signer)}, a key that is not known here`,
    )
  }
  if (key !== undefined) verifySignature(digests.header, digests.payloadHash, key)

  const metadata = await options.scanner.scan(path, digests.header.payloadOffset, NO_ACCOUNT)
  return { ...digests, signature: key === undefined ? 'unknown_signer' : 'valid', metadata }
}

const CHUNK_BYTES = 256 * 1024
const NO_ACCOUNT = 0
