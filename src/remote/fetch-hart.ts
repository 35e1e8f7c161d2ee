import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { DepotError } from '../errors.ts'
import { HartDigest } from '../hart/digest.ts'
import type { HartDigests } from '../hart/digest.ts'
import { verifySignature } from '../hart/signature.ts'
import { formatKeyName } from '../origins/origin-key.ts'
import type { KeyName, PublicKey } from '../origins/origin-key.ts'
import { formatIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { path } from './remote-depot.ts'
import type { RemoteDepot } from './remote-depot.ts'

export interface Wanted {
  readonly ident: Ident
  readonly target: Target
  /** What the depot says that the file's is. */
  readonly checksum: string
}

/**
 * Downloads a package into a file, which the caller removes, and makes sure that it is the one and that its signer signed it. Throws
 * `hart_malformed`, `checksum_mismatch`, `signer_unknown` and `signature_invalid`.
 */
export async function fetchHart(source: RemoteDepot, wanted: Wanted, file: string, keyOf: (signer: KeyName) => Promise<PublicKey | undefined>): Promise<HartDigests> {
  const ident = formatIdent(wanted.ident)
  const digests = await source.download(path`depot/pkgs/${ident}/download?target=${wanted.target}`, async (body) => {
    const digest = new HartDigest()
    await pipeline(
      body,
      async function* (pieces: AsyncIterable<Uint8Array>) {
        for await (const piece of pieces) {
          digest.update(piece)
          yield piece
        }
      },
      createWriteStream(file),
    )
    return digest.finish()
  })
  if (digests.checksum !== wanted.checksum) {
    throw new DepotError('checksum_mismatch', `the package is refused: its checksum should be ${wanted.checksum}, and that of the bytes received is ${digests.checksum}`)
  }
  const { header, payloadHash } = digests
  const key = await keyOf(header.signer)
  if (key === undefined) throw new DepotError('signer_unknown', `the package is refused: the source has no key ${formatKeyName(header.signer)}`)
  verifySignature(header, payloadHash, key)
  return digests
}
