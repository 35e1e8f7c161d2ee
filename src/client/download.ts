import { createReadStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { HartDigest } from '../hart/digest.ts'
import type { HartDigests } from '../hart/digest.ts'
import { formatKeyName, parsePublicKey } from '../hart/origin-key.ts'
import type { KeyName } from '../hart/origin-key.ts'
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
 * Continues after broken connections, and where an earlier call stopped. Throws {@link DownloadDamaged} after
 * a failed verification, and then removes `FILE.part`. Other errors leave `FILE.part` for the next call.
 */
export async function downloadPackage(
  source: DownloadSource,
  expected: ExpectedPackage,
  file: string,
  options: DownloadOptions = {},
): Promise<void> {
  const part = `${file}.part`
  const before = await sizeOf(part)
  await receive(source, expected, part, options)
  try {
    await verify(source, expected, part, options)
  } catch (error) {
    if (!(error instanceof DownloadDamaged)) throw error
    await rm(part, { force: true })
    // The part that was there before may have been of another package of the same name: starts again.
    if (before === 0) throw error
    await receive(source, expected, part, options)
    await verify(source, expected, part, options).catch(async (failure: unknown) => {
      if (failure instanceof DownloadDamaged) await rm(part, { force: true })
      throw failure
    })
  }
  await rename(part, file)
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

/** Verifies the checksum and the signature of a part. Throws {@link DownloadDamaged}. */
async function verify(
  source: DownloadSource,
  { ident, checksum }: ExpectedPackage,
  part: string,
  { key }: DownloadOptions,
): Promise<void> {
  try {
    const digests = await digestOf(part)
    if (digests.checksum !== checksum)
      throw new DownloadDamaged(
        `${ident} arrived damaged: its checksum should be ${checksum}, but is ${digests.checksum}. Nothing was kept`,
      )
    const { signer } = digests.header
    const text = key ?? (await source.findKey(signer))
    if (text === undefined)
      throw new DownloadDamaged(
        `${ident} is signed by ${formatKeyName(signer)}, whose public key the depot does not have: give the key file. Nothing was kept`,
      )
    verifySignature(digests.header, digests.payloadHash, parsePublicKey(text))
  } catch (error) {
    throw error instanceof DepotError
      ? new DownloadDamaged(`${ident}: ${error.message}`, { cause: error })
      : error
  }
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
