import { DepotError } from '../errors.ts'
import type { MetafileCollector } from './metafile-collector.ts'
import type { Payload } from './payload-file.ts'
import { parseTarHeader, BLOCK } from './tar-header.ts'
import { TarReader } from './tar.ts'
import { decodeXz } from './xz-decoder.ts'
import type { XzBlock } from './xz.ts'

// A tar file has no index, so whoever reads from its middle must first find a header there. Headers start at
// multiples of 512 bytes and have a checksum, and the paths of a package start with its ident, which holds
// the second of its build. So the first block of 512 bytes that is a header of this package's folder is a
// header of this archive, or of another archive inside it that holds the same package. An honest package
// holds no such thing. A dishonest signer only describes the own package wrongly, which an omission in FILES
// does as well.

/**
 * Reads the last blocks of an archive into `collector`, which has what the beginning of the archive told.
 * Returns whether the collector is complete. If it is not, it may have read nonsense. `offset` is the place
 * of the first block in the unpacked archive.
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
    return false // reading from the beginning tells whether the archive or the search is wrong
  }
  return collector.complete
}

/** Passes on bytes from the first header on. */
class HeaderSearch {
  readonly #isOwn: (path: string) => boolean
  readonly #block = Buffer.alloc(BLOCK)
  #filled = 0
  #skip: number
  isOver = false

  constructor(skip: number, isOwn: (path: string) => boolean) {
    this.#skip = skip
    this.#isOwn = isOwn
  }

  /** Returns what to read; `undefined` before the first header. */
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
