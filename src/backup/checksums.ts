import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { DepotError } from '../errors.ts'
import { Blake2b } from '../hart/blake2b.ts'

// The file CHECKSUMS of a backup: a line for its database and one for each of its blobs, in the form of
// b2sum, so `b2sum -c CHECKSUMS` checks the whole backup without this program.
//
//   2f1d…  depot.sqlite
//   00ab…  ../../blobs/00/00ab…

/** The BLAKE2b-256 of a file in hex, and the path of the file relative to the folder of the backup. */
export interface ChecksumLine {
  readonly checksum: string
  readonly path: string
}

const READ_BYTES = 1024 * 1024
const BATCH_LENGTH = 64 * 1024
const LINE = /^([0-9a-f]{64}) {2}(\S+)$/

/** Writes and syncs a file CHECKSUMS. Returns the BLAKE2b-256 of the file. */
export async function writeChecksums(path: string, lines: AsyncIterable<ChecksumLine>): Promise<string> {
  const hash = new Blake2b()
  await using file = await open(path, 'w')
  let batch = ''
  const flush = async () => {
    hash.update(Buffer.from(batch))
    await file.appendFile(batch)
    batch = ''
  }
  for await (const line of lines) {
    batch += `${line.checksum}  ${line.path}\n`
    if (batch.length >= BATCH_LENGTH) await flush()
  }
  await flush()
  await file.sync()
  return hash.digest()
}

/**
 * Reads a file CHECKSUMS. The caller must read all lines before it trusts one of them: only after the last
 * line, this throws `invalid_request` if the checksum of the file itself is not `expected`.
 */
export async function* readChecksums(path: string, expected: string): AsyncGenerator<ChecksumLine> {
  const hash = new Blake2b()
  for await (const line of createInterface({
    input: createReadStream(path, { highWaterMark: READ_BYTES }),
  })) {
    hash.update(Buffer.from(`${line}\n`))
    const [, checksum, named] = LINE.exec(line) ?? []
    if (checksum !== undefined && named !== undefined) yield { checksum, path: named }
  }
  if (hash.digest() !== expected)
    throw new DepotError('invalid_request', `${path} is damaged: its checksum is not that of the manifest`)
}

/** Returns the BLAKE2b-256 of a file in hex. */
export async function checksumOf(path: string): Promise<string> {
  const hash = new Blake2b()
  for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES }))
    hash.update(chunk as Buffer)
  return hash.digest()
}
