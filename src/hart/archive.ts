import { PayloadFile } from './payload-file.ts'
import { MetafileCollector } from './metafile-collector.ts'
import type { HartMetadata } from './metadata.ts'
import { TarReader } from './tar.ts'
import { decodeXz, DECODE_WINDOW_BYTES } from './xz-decoder.ts'
import { decodeByProgram } from './xz-program.ts'
import { walkXz } from './xz.ts'

// How far an archive may unpack. Programs shrink to a quarter, text to a tenth; zeros to a seven thousandth, and nothing else comes
// near that. So a small archive has a fixed allowance, which costs a second to use up, and beyond it every byte that was uploaded buys
// a limited number. The absolute end is what 16 GiB, the largest upload, holds at the ratio of programs.
const FREE_UNPACKED_BYTES = 256 * 1024 * 1024
const UNPACKED_PER_BYTE = 250
const MOST_UNPACKED_BYTES = 64 * 1024 ** 3

// Most packages say all of it at their beginning, or are over before another program has begun.
const UNPACKED_HERE = 8 * 1024 * 1024
const WORTH_A_PROGRAM = 16 * 1024 * 1024

/** Room for the largest header of a block; chunk headers, which is what is read most, are up to 64 KiB apart. */
const WALK_WINDOW_BYTES = 4096

/**
 * Reads the metadata of the package whose tar.xz starts at `payloadOffset` of a file. Computes for long: call it in a worker, one at a
 * time. Holds the dictionary that the file was packed with (8 MiB for what `hab` makes, at most 64), the metafiles and little else.
 * `withProgram` leaves the rest of a long one to the system's xz, which must be there. Throws `hart_malformed` or `target_malformed`.
 */
export async function readArchive(
  path: string,
  payloadOffset: number,
  { withProgram = false }: { readonly withProgram?: boolean } = {},
): Promise<HartMetadata> {
  using walked = new PayloadFile(path, { payloadOffset, windowBytes: WALK_WINDOW_BYTES })
  const shape = walkXz(walked, mostUnpacked(walked.sizeBytes))

  using file = new PayloadFile(path, { payloadOffset, windowBytes: DECODE_WINDOW_BYTES })
  const collector = new MetafileCollector()
  const tar = new TarReader(collector)
  let unpacked = 0
  const take = (bytes: Uint8Array) => {
    unpacked += bytes.length
    tar.write(bytes)
    return tar.done ? 'enough' : 'more'
  }
  const isLong = () =>
    shape.unpackedBytes - unpacked >= WORTH_A_PROGRAM && unpacked >= UNPACKED_HERE && withProgram
  await decodeXz(file, (bytes) => (take(bytes) === 'enough' || isLong() ? 'enough' : 'more'))
  if (!tar.done && isLong()) await decodeByProgram(path, { start: payloadOffset, skipped: unpacked }, take)
  tar.end()
  return collector.finish()
}

function mostUnpacked(packedBytes: number): number {
  return Math.min(MOST_UNPACKED_BYTES, FREE_UNPACKED_BYTES + UNPACKED_PER_BYTE * packedBytes)
}
