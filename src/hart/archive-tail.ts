import { DepotError } from '../errors.ts'
import type { MetafileCollector } from './metafile-collector.ts'
import type { Payload } from './payload-file.ts'
import { parseTarHeader, BLOCK } from './tar-header.ts'
import { TarReader } from './tar.ts'
import { decodeXz } from './xz-decoder.ts'
import type { XzBlock } from './xz.ts'

// A tar file has no index, so a reader that begins in its middle must first find a header there. A header is
// a block of 512 bytes at a multiple of 512 bytes, and has a checksum. The paths in a package contain its
// ident, which contains the second of its build. So the first header whose path is in this package's folder
// belongs to this archive, or to an archive inside it that contains the same package. No honest package
// contains such an archive. A dishonest signer can use one only to describe his own package wrongly, which he
// can also do by leaving paths out of FILES.

/**
 * Reads the last xz blocks of an archive into `collector`, which must already have the metafiles of the
 * archive's beginning. `offset` is the position of the first of these blocks in the unpacked archive. Returns
 * whether the collector has all metafiles. If not, discard the collector: it may have taken content for
 * headers.
 */
export async function readTail(
  file: Payload,
  { blocks, offset }: { readonly blocks: readonly XzBlock[]; readonly offset: number },
  collector: MetafileCollector,
): Promise<boolean> {
  const tar = new TarReader(collector)
  const search = new HeaderSearch(-offset & (BLOCK - 1), (path) => collector.isOwn(path))
  try {
    await decodeXz(file, blocks, {
      write(bytes) {
        const found = search.write(bytes)
        if (found !== undefined) for (const part of found) tar.write(part)
        return tar.done ? 'enough' : 'more'
      },
      skip: (bytes) => search.isOver && tar.skip(bytes),
    })
  } catch (error) {
    if (!(error instanceof DepotError)) throw error
    return false // the caller then decodes the blocks in order, and reports faults that it meets
  }
  return collector.complete
}

/** Drops bytes until it finds the first header. */
class HeaderSearch {
  readonly #isOwn: (path: string) => boolean
  readonly #block = Buffer.alloc(BLOCK)
  #filled = 0
  /** The bytes before the next multiple of 512. */
  #skip: number
  /** Whether the first header was found. */
  isOver = false

  constructor(skip: number, isOwn: (path: string) => boolean) {
    this.#skip = skip
    this.#isOwn = isOwn
  }

  /**
   * Takes the next bytes. Returns those from the first header on, in parts; `undefined` before that header.
   */
  write(bytes: Uint8Array): readonly Uint8Array[] | undefined {
    if (this.isOver) return [bytes]
    let at = Math.min(this.#skip, bytes.length)
    this.#skip -= at
    while (at < bytes.length) {
      const part = bytes.subarray(at, at + BLOCK - this.#filled)
      this.#block.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled < BLOCK) return undefined
      this.#filled = 0
      if (!this.#isHeader()) continue
      this.isOver = true
      return [this.#block, bytes.subarray(at)]
    }
    return undefined
  }

  #isHeader(): boolean {
    if (this.#block.toString('latin1', 257, 262) !== 'ustar') return false // nearly all blocks end here
    try {
      const header = parseTarHeader(this.#block)
      return header !== undefined && this.#isOwn(header.path)
    } catch (error) {
      if (error instanceof DepotError) return false
      throw error
    }
  }
}
