import { readTail } from './archive-tail.ts'
import { PayloadBytes, PayloadFile } from './payload-file.ts'
import { MetafileCollector } from './metafile-collector.ts'
import type { HartMetadata } from './metadata.ts'
import { TarReader } from './tar.ts'
import { decodeXz, DECODE_WINDOW_BYTES } from './xz-decoder.ts'
import { decodeByProgram } from './xz-program.ts'
import { blocksOf, unpackedBytesOf, walkXz } from './xz.ts'
import type { XzBlock } from './xz.ts'

// The limit of an archive's unpacked size: a fixed allowance, which takes a second to decode, and a number of
// bytes for each uploaded byte. Programs shrink to a quarter and text to a tenth; only zeros shrink to one
// part in 7,000. The absolute limit is four times 16 GiB, which is the largest upload by default.
const FREE_UNPACKED_BYTES = 256 * 1024 * 1024
const UNPACKED_PER_BYTE = 250
const MAX_UNPACKED_BYTES = 64 * 1024 ** 3

// The program `xz` decodes the archive again from its beginning. It takes as much processor time as liblzma,
// and is faster only because it decodes blocks in parallel; `hab` packs in blocks of 24 MiB. So it
// takes over only after this thread has decoded some of the archive, and if much is left.
const DECODED_BEFORE_PROGRAM_BYTES = 8 * 1024 * 1024
const PROGRAM_THRESHOLD_BYTES = 64 * 1024 * 1024

// The tail is decoded early only if at least this many unpacked bytes lie before it. If metafiles are still
// missing after that, the tail is decoded a second time, in its place.
const TAIL_THRESHOLD_BYTES = 16 * 1024 * 1024

/** The largest header of a block fits. Most reads are of chunk headers, which are up to 64 KiB apart. */
const WALK_WINDOW_BYTES = 4096

/**
 * Reads the metadata of the package whose tar.xz starts at `payloadOffset` of a file. Throws `hart_malformed`
 * or `target_malformed`.
 *
 * Stops after the last metafile, and skips xz blocks that contain nothing but the middle of a large file. If
 * metafiles are missing after the first block, looks for them in the last blocks (the tail) before it decodes
 * those between. This may compute for minutes, so call it in a worker. It needs memory for the dictionary of
 * the archive (8 MiB for packages of `hab`, at most 64) and for the metafiles. With `withProgram`, the
 * system's `xz`, which must exist, decodes the rest of a long archive.
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
  let position = 0 // in the unpacked archive
  let decodedBytes = 0 // of these, the bytes that were decoded and not skipped
  const take = (bytes: Uint8Array) => {
    position += bytes.length
    decodedBytes += bytes.length
    tar.write(bytes)
    return tar.done ? 'enough' : 'more'
  }
  const isLong = () =>
    withProgram &&
    decodedBytes >= DECODED_BEFORE_PROGRAM_BYTES &&
    shape.unpackedBytes - position - tar.unwantedBytes >= PROGRAM_THRESHOLD_BYTES
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
  if (tailAt >= TAIL_THRESHOLD_BYTES) {
    const first = blocks.next()
    if (!first.done) await decode([first.value])
    if (!tar.done && tailAt - position - tar.unwantedBytes >= TAIL_THRESHOLD_BYTES) {
      const copy = collector.copy()
      if (await readTail(file, { blocks: shape.tail, offset: tailAt }, copy)) return copy.finish()
    }
  }
  if (!tar.done) await decode(blocks, isLong)
  if (!tar.done && isLong()) await decodeByProgram(path, { start: payloadOffset, skipped: position }, take)
  tar.end()
  return collector.finish()
}

// Smaller archives are decoded in the thread that answers requests. Data that is hard to decode takes 50 µs
// for each packed KiB, zeros take 3 µs for each unpacked KiB.
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

/** Returns the limit of the unpacked size. */
function maxUnpacked(packedBytes: number): number {
  return Math.min(MAX_UNPACKED_BYTES, FREE_UNPACKED_BYTES + UNPACKED_PER_BYTE * packedBytes)
}
