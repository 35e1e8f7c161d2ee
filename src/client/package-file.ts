import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { MAX_HEADER_BYTES, parseHeader } from '../hart/header.ts'
import type { KeyName } from '../hart/origin-key.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { DepotError } from '../errors.ts'

/** What a package file says of itself. Its signature is not verified. */
export interface PackageFile {
  readonly ident: Ident
  readonly target: Target
  /** All packages that it needs at run time, directly or not. */
  readonly needs: readonly Ident[]
}

const READ_CHUNK_BYTES = 512 * 1024

/** Reads the name of the key that signed a package file. Throws `hart_malformed`. */
export async function readSigner(file: string): Promise<KeyName> {
  return (await readHeader(file)).signer
}

/** Reads the metadata within a package file. Throws `hart_malformed` or `target_malformed`. */
export async function readPackageFile(file: string): Promise<PackageFile> {
  const [{ payloadOffset }, { readArchive }] = await Promise.all([
    readHeader(file),
    import('../hart/archive.ts'), // loads liblzma
  ])
  const { ident, target, deps, tdeps } = await readArchive(file, payloadOffset)
  return { ident, target, needs: [...deps, ...tdeps] }
}

/** Returns the BLAKE2b-256 of a package file in hex. */
export async function readChecksum(file: string): Promise<string> {
  const { Blake2b } = await import('../hart/blake2b.ts') // loads WebAssembly
  const hash = new Blake2b()
  for await (const chunk of createReadStream(file, { highWaterMark: READ_CHUNK_BYTES }))
    hash.update(chunk as Buffer)
  return hash.digest()
}

async function readHeader(file: string) {
  await using handle = await open(file)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_HEADER_BYTES), 0, MAX_HEADER_BYTES, 0)
  const header = parseHeader(buffer.subarray(0, bytesRead))
  if (header === undefined)
    throw new DepotError('hart_malformed', 'not a hart file: it ends within its header')
  return header
}
