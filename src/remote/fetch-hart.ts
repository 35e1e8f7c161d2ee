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
import { path } from './resource-path.ts'
import type { RemoteDepot } from './remote-depot.ts'

/** A package to fetch, with the checksum and, if known, the size that its file must have. */
export interface ExpectedHart {
  readonly ident: Ident
  readonly target: Target
  readonly checksum: string
  /** A longer download is aborted. */
  readonly sizeBytes?: number
  /** Accepts a package whose signer's key is not found, without verifying its signature. */
  readonly acceptsUnknownSigner?: boolean
}

/** Returns the public key with this name, or `undefined` if the source has none. */
export type FindKey = (signer: KeyName) => PublicKey | undefined | Promise<PublicKey | undefined>

/**
 * Downloads a package into a file, which the caller removes also after an error, and verifies size, checksum
 * and signature. Throws `hart_malformed`, `checksum_mismatch` (also for a wrong size), `signer_unknown` and
 * `signature_invalid`.
 */
export async function fetchHart(
  source: RemoteDepot,
  expected: ExpectedHart,
  file: string,
  findKey: FindKey,
): Promise<HartDigests> {
  const ident = formatIdent(expected.ident)
  const digests = await source.download(
    path`depot/pkgs/${ident}/download?target=${expected.target}`,
    async (body) => {
      const digest = new HartDigest()
      await pipeline(
        body,
        (chunks: AsyncIterable<Uint8Array>) => digested(chunks, digest, expected),
        createWriteStream(file),
      )
      return digest.finish()
    },
  )
  await expectHart(digests, expected, findKey)
  return digests
}

/** Verifies an existing file. Throws like {@link fetchHart}. */
export async function checkHart(
  file: string,
  expected: ExpectedHart,
  findKey: FindKey,
): Promise<HartDigests> {
  const digest = new HartDigest()
  const nowhere = new WritableStream<Uint8Array>()
  await pipeline(
    createReadStream(file, { highWaterMark: READ_CHUNK_BYTES }),
    (chunks: AsyncIterable<Uint8Array>) => digested(chunks, digest, expected),
    nowhere,
  )
  const digests = digest.finish()
  await expectHart(digests, expected, findKey)
  return digests
}

const READ_CHUNK_BYTES = 512 * 1024

/** Passes chunks on, and adds them to the digest. Throws `checksum_mismatch` if there are too many bytes. */
async function* digested(
  chunks: AsyncIterable<Uint8Array>,
  digest: HartDigest,
  { sizeBytes = Number.POSITIVE_INFINITY }: ExpectedHart,
): AsyncGenerator<Uint8Array> {
  let received = 0
  for await (const chunk of chunks) {
    received += chunk.length
    if (received > sizeBytes)
      throw new DepotError(
        'checksum_mismatch',
        `the package is refused: it should have ${sizeBytes} bytes, but has more`,
      )
    digest.update(chunk)
    yield chunk
  }
}

/** Checks that the digests are those of the expected package, and that its signature is valid. */
async function expectHart(
  { checksum, header, payloadHash, sizeBytes }: HartDigests,
  expected: ExpectedHart,
  findKey: FindKey,
): Promise<void> {
  if (checksum !== expected.checksum) {
    throw new DepotError(
      'checksum_mismatch',
      `the package is refused: its checksum should be ${expected.checksum}, but is ${checksum}`,
    )
  }
  if (expected.sizeBytes !== undefined && sizeBytes !== expected.sizeBytes) {
    throw new DepotError(
      'checksum_mismatch',
      `the package is refused: it should have ${expected.sizeBytes} bytes, but has ${sizeBytes}`,
    )
  }
  const key = await findKey(header.signer)
  if (key === undefined && expected.acceptsUnknownSigner === true) return
  if (key === undefined)
    throw new DepotError(
      'signer_unknown',
      `the package is refused: the source has no key ${formatKeyName(header.signer)}`,
    )
  verifySignature(header, payloadHash, key)
}
