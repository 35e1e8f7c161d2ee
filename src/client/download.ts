import { createReadStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { HartDigest } from '../hart/digest.ts'
import type { HartDigests } from '../hart/digest.ts'
import { formatKeyName, parsePublicKey } from '../hart/origin-key.ts'
import type { KeyName, PublicKey } from '../hart/origin-key.ts'
import { verifySignature } from '../hart/signature.ts'
import { DepotError } from '../errors.ts'
import type { DataAnswer } from './call.ts'
import { DownloadDamaged, Unreachable } from './errors.ts'

/** What a download asks of the depot. */
export interface DownloadSource {
  /** Opens the package from this byte on, if its checksum is still the same, or else from its start. */
  open(from: number): Promise<DataAnswer>
  /** Returns the text of a public key file, or `undefined` if the depot does not have the key. */
  findKey(signer: KeyName): Promise<string | undefined>
  /** Waits before it continues a broken download. */
  pause(ms: number): Promise<unknown>
}

export interface ExpectedPackage {
  readonly ident: string
  /** BLAKE2b-256 of the file in hex. */
  readonly checksum: string
  readonly sizeBytes: number
}

export interface DownloadOptions {
  /**
   * The text of the key file that must have signed the package. The default is the depot's own copy of the
   * signer's key.
   */
  readonly key?: string | undefined
  /** Called with the number of bytes that the file has so far. */
  readonly onProgress?: ((receivedBytes: number) => void) | undefined
}

/** How often in a row a connection may break without a new byte. */
const MAX_BREAKS = 5
const PAUSE_MS = 1_000
const READ_CHUNK_BYTES = 512 * 1024

/**
 * Downloads a package to `FILE.part`, verifies its size, checksum and signature, and renames it to `file`.
 * Continues after broken connections, and where an earlier call stopped. Throws `key_malformed` before it
 * downloads, and {@link DownloadDamaged}. Removes `FILE.part` if its size or checksum is wrong, and otherwise
 * leaves it for the next call, which may name another key.
 */
export async function downloadPackage(
  source: DownloadSource,
  expected: ExpectedPackage,
  file: string,
  options: DownloadOptions = {},
): Promise<void> {
  const part = `${file}.part`
  const key = options.key === undefined ? undefined : parsePublicKey(options.key)
  const sizeBefore = await sizeOf(part)
  let digests: HartDigests
  try {
    digests = await receiveWhole(source, expected, part, options)
  } catch (error) {
    // The part that was there before may have been of another package of the same name: starts again.
    if (sizeBefore === 0 || !(error instanceof DownloadDamaged)) throw error
    digests = await receiveWhole(source, expected, part, options)
  }
  await verifySigner(source, expected, digests, key)
  await rename(part, file)
}

/** Completes the part and verifies its checksum. Removes it if it throws {@link DownloadDamaged}. */
async function receiveWhole(
  source: DownloadSource,
  expected: ExpectedPackage,
  part: string,
  options: DownloadOptions,
): Promise<HartDigests> {
  try {
    await receive(source, expected, part, options)
    return await verifyChecksum(expected, part)
  } catch (error) {
    if (error instanceof DownloadDamaged) await rm(part, { force: true })
    throw error
  }
}

/** Appends to the part until it is complete, and flushes it to the disk. */
async function receive(
  source: DownloadSource,
  { sizeBytes }: ExpectedPackage,
  part: string,
  { onProgress }: DownloadOptions,
): Promise<void> {
  const handle = await open(part, (await sizeOf(part)) === 0 ? 'w' : 'r+')
  try {
    let size = (await handle.stat()).size
    let furthest = size
    for (let breaks = 0; size !== sizeBytes;) {
      const answer = await source.open(size > sizeBytes ? 0 : size)
      const from = startOf(answer)
      if (from !== size) await handle.truncate(from)
      size = from
      try {
        for await (const chunk of answer.body as AsyncIterable<Buffer>) {
          if (size + chunk.length > sizeBytes)
            throw new DownloadDamaged(`the depot sends more than the ${sizeBytes} bytes that it announced`)
          await handle.write(chunk, 0, chunk.length, size)
          size += chunk.length
          if (size > furthest) breaks = 0
          furthest = Math.max(furthest, size)
          onProgress?.(size)
        }
      } catch (error) {
        if (answer.body.errored === null) throw error // not an error of the connection
      }
      if (size === sizeBytes) break
      breaks += 1
      if (breaks > MAX_BREAKS)
        throw new Unreachable(
          'cut',
          `the download broke off ${breaks} times at byte ${size} of ${sizeBytes}: ${part} is kept, and the same command continues it`,
        )
      await source.pause(PAUSE_MS * breaks)
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Returns the offset of the first byte of an answer. */
function startOf({ status, headers }: DataAnswer): number {
  const [, from] = /^bytes (\d+)-/.exec(headers['content-range'] ?? '') ?? []
  return status === 206 && from !== undefined ? Number(from) : 0
}

/** Verifies the checksum of a part, and returns its digests. Throws {@link DownloadDamaged}. */
async function verifyChecksum({ ident, checksum }: ExpectedPackage, part: string): Promise<HartDigests> {
  const digests = await digestOf(part).catch((error: unknown) => {
    throw damaged(ident, error)
  })
  if (digests.checksum === checksum) return digests
  throw new DownloadDamaged(
    `${ident} arrived damaged: its checksum should be ${checksum}, but is ${digests.checksum}. Nothing was kept`,
  )
}

/** Verifies the signature. Throws {@link DownloadDamaged}. */
async function verifySigner(
  source: DownloadSource,
  { ident }: ExpectedPackage,
  { header, payloadHash }: HartDigests,
  given: PublicKey | undefined,
): Promise<void> {
  const { signer } = header
  const text = given === undefined ? await source.findKey(signer) : undefined
  if (given === undefined && text === undefined)
    throw new DownloadDamaged(
      `${ident} is signed by ${formatKeyName(signer)}, whose public key the depot does not have: give the key file`,
    )
  try {
    verifySignature(header, payloadHash, given ?? parsePublicKey(text ?? ''))
  } catch (error) {
    throw damaged(ident, error)
  }
}

/** Converts an error of the hart reader, and returns any other error unchanged. */
function damaged(ident: string, error: unknown): unknown {
  return error instanceof DepotError
    ? new DownloadDamaged(`${ident}: ${error.message}`, { cause: error })
    : error
}

async function digestOf(file: string): Promise<HartDigests> {
  const digest = new HartDigest()
  for await (const chunk of createReadStream(file, {
    highWaterMark: READ_CHUNK_BYTES,
  }) as AsyncIterable<Buffer>)
    digest.update(chunk)
  return digest.finish()
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}
