import { createReadStream, createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { DepotError } from '../errors.ts'
import { HartDigest } from '../hart/digest.ts'
import type { HartDigests } from '../hart/digest.ts'
import { verifySignature } from '../hart/signature.ts'
import { formatKeyName } from '../hart/origin-key.ts'
import type { KeyName, PublicKey } from '../hart/origin-key.ts'
import { formatIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { path } from './remote-depot.ts'
import type { RemoteDepot } from './remote-depot.ts'

export interface Wanted {
  readonly ident: Ident
  readonly target: Target
  /** What the file's must be. */
  readonly checksum: string
  /** How many it must have, where that is known: not one more is taken. */
  readonly sizeBytes?: number
}

/** The key that a signer's name is of, as the source has it. */
export type KeyOf = (signer: KeyName) => PublicKey | undefined | Promise<PublicKey | undefined>

/**
 * Downloads a package into a file, which the caller removes, and makes sure that it is the one and that its signer signed it. Throws
 * `hart_malformed`, `checksum_mismatch`, `signer_unknown` and `signature_invalid`.
 */
export async function fetchHart(
  source: RemoteDepot,
  wanted: Wanted,
  file: string,
  keyOf: KeyOf,
): Promise<HartDigests> {
  const ident = formatIdent(wanted.ident)
  const digests = await source.download(
    path`depot/pkgs/${ident}/download?target=${wanted.target}`,
    async (body) => {
      const digest = new HartDigest()
      await pipeline(
        body,
        (pieces: AsyncIterable<Uint8Array>) => digested(pieces, digest, wanted),
        createWriteStream(file),
      )
      return digest.finish()
    },
  )
  await expectHart(digests, wanted, keyOf)
  return digests
}

/** As {@link fetchHart}, of a file that is there. */
export async function checkHart(file: string, wanted: Wanted, keyOf: KeyOf): Promise<HartDigests> {
  const digest = new HartDigest()
  const nowhere = new WritableStream<Uint8Array>()
  await pipeline(
    createReadStream(file, { highWaterMark: READ_PIECE_BYTES }),
    (pieces: AsyncIterable<Uint8Array>) => digested(pieces, digest, wanted),
    nowhere,
  )
  const digests = digest.finish()
  await expectHart(digests, wanted, keyOf)
  return digests
}

const READ_PIECE_BYTES = 512 * 1024

async function* digested(
  pieces: AsyncIterable<Uint8Array>,
  digest: HartDigest,
  { sizeBytes = Number.POSITIVE_INFINITY }: Wanted,
): AsyncGenerator<Uint8Array> {
  let received = 0
  for await (const piece of pieces) {
    received += piece.length
    if (received > sizeBytes)
      throw new DepotError(
        'checksum_mismatch',
        `the package is refused: it has more than the ${sizeBytes} bytes that it should have`,
      )
    digest.update(piece)
    yield piece
  }
}

async function expectHart(
  { checksum, header, payloadHash, sizeBytes }: HartDigests,
  wanted: Wanted,
  keyOf: KeyOf,
): Promise<void> {
  if (checksum !== wanted.checksum) {
    throw new DepotError(
      'checksum_mismatch',
      `the package is refused: its checksum should be ${wanted.checksum}, and that of the bytes received is ${checksum}`,
    )
  }
  if (wanted.sizeBytes !== undefined && sizeBytes !== wanted.sizeBytes) {
    throw new DepotError(
      'checksum_mismatch',
      `the package is refused: it should have ${wanted.sizeBytes} bytes, and has ${sizeBytes}`,
    )
  }
  const key = await keyOf(header.signer)
  if (key === undefined)
    throw new DepotError(
      'signer_unknown',
      `the package is refused: the source has no key ${formatKeyName(header.signer)}`,
    )
  verifySignature(header, payloadHash, key)
}
