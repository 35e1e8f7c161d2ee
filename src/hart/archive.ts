import { readTail } from './archive-tail.ts'
import { PayloadBytes, PayloadFile } from './payload-file.ts'
import { MetafileCollector } from './metafile-collector.ts'
import type { HartMetadata } from './metadata.ts'
import { TarReader } from './tar.ts'
import { decodeXz, DECODE_WINDOW_BYTES } from './xz-decoder.ts'
import { decodeByProgram } from './xz-program.ts'
import { blocksOf, unpackedBytesOf, walkXz } from './xz.ts'
import type { XzBlock } from './xz.ts'

// The limit of the unpacked size. Programs shrink to a quarter and text to a tenth; only zeros shrink to one
// part in 7,000. So each archive has a fixed allowance, which takes a second to decode, and a number of bytes
// for each uploaded byte. The absolute limit is the content of 16 GiB, the largest upload by default, at the
// ratio of programs.
const FREE_UNPACKED_BYTES = 256 * 1024 * 1024
const UNPACKED_PER_BYTE = 250
const MAX_UNPACKED_BYTES = 64 * 1024 ** 3

// A program begins anew, and gains only from blocks that it decodes in parallel; those of `hab` have 24 MiB.
// Measured, it takes no less processor time than liblzma here.
const UNPACKED_HERE = 8 * 1024 * 1024
const WORTH_A_PROGRAM = 64 * 1024 * 1024

// Between the first block and the tail. Where the metafiles are in neither, the tail is decoded twice.
const WORTH_A_TAIL = 16 * 1024 * 1024

/** Fits the largest header of a block. Chunk headers, the most frequent reads, are up to 64 KiB apart. */
const WALK_WINDOW_BYTES = 4096

/**
 * Reads the metadata of the package whose tar.xz starts at `payloadOffset` of a file. Stops after the last
 * metafile, and skips blocks that are part of a large file (`hab` packs in blocks of 24 MiB). If metafiles
 * are missing after the first block, it looks for them in the last before it decodes those between. This may
 * compute for minutes, so call it in a worker. Its memory is the dictionary of the archive (8 MiB for
 * packages of `hab`, at most 64) and the metafiles. With `withProgram`, the system's `xz`, which must exist,
 * decodes the rest of a long archive. Throws `hart_malformed` or `target_malformed`.
 */
export async function readArchive(
  path: string,
  payloadOffset: number,
  { withProgram = false }: { readonly withProgram?: boolean } = {},
): Promise<HartMetadata> {
  using walked = new PayloadFile(path, { payloadOffset, windowBytes: WALK_WINDOW_BYTES })
  const shape = walkXz(walked, maxUnpacked(walked.sizeBytes))

  using file = new PayloadFile(path, { payloadOffset, windowBytes: DECODE_WINDOW_BYTES })
  const collector = new MetafileCollector()
  const tar = new TarReader(collector)
  let position = 0
  let decodedBytes = 0
  const take = (bytes: Uint8Array) => {
    position += bytes.length
    decodedBytes += bytes.length
    tar.write(bytes)
    return tar.done ? 'enough' : 'more'
  }
  const isLong = () =>
    withProgram &&
    decodedBytes >= UNPACKED_HERE &&
    shape.unpackedBytes - position - tar.unwantedBytes >= WORTH_A_PROGRAM
  const decode = (blocks: Iterable<XzBlock>, isEnough = () => false) =>
    decodeXz(file, blocks, {
      write: (bytes) => (take(bytes) === 'enough' || isEnough() ? 'enough' : 'more'),
      skip(bytes) {
        if (!tar.skip(bytes)) return false
        position += bytes
        return true
      },
    })
  const blocks = blocksOf(walked)
  const tailAt = shape.unpackedBytes - unpackedBytesOf(shape.tail)
  if (tailAt >= WORTH_A_TAIL) {
    const first = blocks.next()
    if (!first.done) await decode([first.value])
    if (!tar.done && tailAt - position - tar.unwantedBytes >= WORTH_A_TAIL) {
      const ends = collector.copy()
      if (await readTail(file, { blocks: shape.tail, offset: tailAt }, ends)) return ends.finish()
    }
  }
  if (!tar.done) await decode(blocks, isLong)
  if (!tar.done && isLong()) await decodeByProgram(path, { start: payloadOffset, skipped: position }, take)
  tar.end()
  return collector.finish()
}

// What the event loop may decode. Data that is hard to decode takes 50 µs for each packed KiB, zeros take 3
// µs for each unpacked KiB.
const SHORT_PACKED_BYTES = 16 * 1024
const SHORT_UNPACKED_BYTES = 64 * 1024

/**
 * Like {@link readArchive}, for a payload in memory that takes less than a millisecond. Returns `undefined`
 * if it would take longer.
 */
export async function readShortArchive(payload: Buffer): Promise<HartMetadata | undefined> {
  if (payload.length > SHORT_PACKED_BYTES) return undefined
  const bytes = new PayloadBytes(payload)
  if (walkXz(bytes, maxUnpacked(payload.length)).unpackedBytes > SHORT_UNPACKED_BYTES) return undefined
  const collector = new MetafileCollector()
  const tar = new TarReader(collector)
  await decodeXz(bytes, blocksOf(bytes), {
    write(unpacked) {
      tar.write(unpacked)
      return tar.done ? 'enough' : 'more'
    },
    skip: (unpackedBytes) => tar.skip(unpackedBytes),
  })
  tar.end()
  return collector.finish()
}

function maxUnpacked(packedBytes: number): number {
  return Math.min(MAX_UNPACKED_BYTES, FREE_UNPACKED_BYTES + UNPACKED_PER_BYTE * packedBytes)
}
