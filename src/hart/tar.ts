import { DepotError, quote } from '../errors.ts'
import { BLOCK, parseTarHeader } from './tar-header.ts'
import type { TarHeader } from './tar-header.ts'

// A tar file: a header, the content padded to 512 bytes, the next header and so on, then two blocks of zeros.
// Data after these is ignored. Headers of some types describe the entry after them:
//
//   L, K   GNU: the content is the path (L) or link (K) of that entry
//   x, g   pax: the content is records `{length} {key}={value}\n` for that entry, or for all that follow
//
// No allocation depends on a size that the archive declares. If two readers could read the same bytes as
// different entries (a folder with content, a sparse file, a path with a NUL), the archive is refused:
// otherwise the depot could describe one package while `hab` unpacks another.

export type TarEntryType = 'file' | 'folder' | 'symlink' | 'hardlink' | 'device'

export interface TarEntry {
  readonly path: string
  readonly type: TarEntryType
  readonly sizeBytes: number
  /** Where a link points to; empty for others. */
  readonly link: string
}

/** Receives the entries of an archive. */
export interface TarVisitor {
  /** Returns the sink for the entry's content; `undefined` skips it. */
  visit(entry: TarEntry): TarSink | undefined
  /** Whether the rest of the archive can be skipped. Called after each entry. */
  readonly complete: boolean
}

/** Receives one entry's content. */
export interface TarSink {
  /** The bytes are valid only during the call. */
  write(bytes: Uint8Array): void
  end(): void
}

/**
 * The maximum number of headers, those of extensions included. The largest packages of today have tens of
 * thousands.
 */
export const MAX_ENTRIES = 500_000
export const MAX_PATH_LENGTH = 4096
/** The maximum size of an L, K, x or g header's content. pax headers may contain extended attributes. */
export const MAX_EXTENSION_BYTES = 1024 * 1024
/**
 * When the visitor has all it wants, the reader reads on to the next multiple of this many bytes. So the
 * result does not depend on the sizes of the decoder's chunks, and entries that directly follow are still
 * checked.
 */
export const READ_STEP_BYTES = 64 * 1024

/** Reads a tar file that is written to it. */
export class TarReader {
  readonly #visitor: TarVisitor
  readonly #block = Buffer.alloc(BLOCK)
  #filled = 0 //        bytes in #block
  #left = 0 //          remaining bytes of content
  #padding = 0 //       remaining bytes of padding
  #sink: TarSink | undefined // takes the content
  #next: Overrides = {} // for the next entry
  #all: Overrides = {} // for all entries that follow
  #entries = 0
  #zeroBlocks = 0
  #read = 0 //          bytes read
  #enough = false //    whether the visitor has all it wants
  #readUpTo = Infinity

  constructor(visitor: TarVisitor) {
    this.#visitor = visitor
  }

  /**
   * Whether the archive has ended, or the visitor has all it wanted and the current step was read. Further
   * bytes are ignored.
   */
  get done(): boolean {
    return this.#read >= this.#readUpTo || this.#zeroBlocks === 2
  }

  /** Reads the next bytes. Throws `hart_malformed`. */
  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.done;) {
      const taken = this.#take(bytes.subarray(at, at + this.#readUpTo - this.#read))
      at += taken
      this.#read += taken
      if (this.#enough && this.#readUpTo === Infinity)
        this.#readUpTo = Math.ceil(this.#read / READ_STEP_BYTES) * READ_STEP_BYTES
    }
  }

  /**
   * The number of bytes that are left of the current entry's content, if the visitor does not want it;
   * otherwise 0.
   */
  get unwantedBytes(): number {
    return this.#sink === undefined && !this.#enough ? this.#left : 0
  }

  /**
   * Passes over `bytes` bytes of unwanted content, as if they were written. Does nothing and returns false if
   * fewer bytes are unwanted.
   */
  skip(bytes: number): boolean {
    if (bytes > this.unwantedBytes) return false
    this.#left -= bytes
    this.#read += bytes
    if (bytes > 0 && this.#left === 0) this.#endContent()
    return true
  }

  /** Checks that the archive is complete, unless the visitor had all it wanted. Throws `hart_malformed`. */
  end(): void {
    if (!this.#enough && this.#zeroBlocks === 0) throw malformed('its archive is cut off')
  }

  /** Takes some of the bytes, from their beginning, and returns how many. */
  #take(bytes: Uint8Array): number {
    if (this.#left > 0) {
      const part = bytes.subarray(0, this.#left)
      this.#sink?.write(part)
      this.#left -= part.length
      if (this.#left === 0) this.#endContent()
      return part.length
    }
    if (this.#padding > 0) {
      const skipped = Math.min(this.#padding, bytes.length)
      this.#padding -= skipped
      return skipped
    }
    const part = bytes.subarray(0, BLOCK - this.#filled)
    this.#block.set(part, this.#filled)
    this.#filled += part.length
    if (this.#filled === BLOCK) this.#header()
    return part.length
  }

  #header(): void {
    this.#filled = 0
    const header = parseTarHeader(this.#block)
    if (header === undefined) {
      this.#zeroBlocks += 1
      return
    }
    if (this.#zeroBlocks > 0) throw malformed('its archive continues after its end')
    this.#entries += 1
    if (this.#entries > MAX_ENTRIES) throw malformed(`its archive has more than ${MAX_ENTRIES} entries`)

    const sink = this.#extension(header) ?? this.#entry(header)
    this.#sink = sink.sink
    this.#left = sink.sizeBytes
    this.#padding = -sink.sizeBytes & (BLOCK - 1)
    if (this.#left === 0) this.#endContent()
  }

  #endContent(): void {
    const sink = this.#sink
    this.#sink = undefined
    sink?.end()
    this.#enough = this.#visitor.complete
  }

  #extension(header: TarHeader): { sink: TarSink; sizeBytes: number } | undefined {
    const read = EXTENSIONS[header.typeFlag]
    if (read === undefined) return undefined
    if (header.sizeBytes > MAX_EXTENSION_BYTES) {
      throw malformed(
        `a header of its archive is ${header.sizeBytes} bytes long; the limit is ${MAX_EXTENSION_BYTES}`,
      )
    }
    const chunks: Buffer[] = []
    const sink: TarSink = {
      write: (bytes) => chunks.push(Buffer.from(bytes)),
      end: () => {
        const overrides = read(Buffer.concat(chunks))
        if (header.typeFlag === 'g') this.#all = { ...this.#all, ...overrides }
        else this.#next = combine(this.#next, overrides)
      },
    }
    return { sink, sizeBytes: header.sizeBytes }
  }

  #entry(header: TarHeader): { sink: TarSink | undefined; sizeBytes: number } {
    const { path, link, sizeBytes } = { ...header, ...this.#all, ...this.#next }
    this.#next = {}
    if (path.length > MAX_PATH_LENGTH || link.length > MAX_PATH_LENGTH) {
      throw malformed(`its archive holds a path of more than ${MAX_PATH_LENGTH} characters`)
    }
    if (path.includes('\0') || link.includes('\0'))
      throw malformed(`its archive holds a path with a NUL in it: ${quote(path)}`)
    const type = entryType(header.typeFlag, path)
    if (type !== 'file' && sizeBytes > 0)
      throw malformed(`${quote(path)} in its archive is not a file but has content`)
    return { sink: this.#visitor.visit({ path, type, sizeBytes, link }), sizeBytes }
  }
}

/** The fields of the next header, or of all headers, that an extension replaces. */
interface Overrides {
  path?: string
  link?: string
  sizeBytes?: number
}

/** Adds what a header says of the next entry. Throws `hart_malformed` if it contradicts an earlier header. */
function combine(earlier: Overrides, later: Overrides): Overrides {
  for (const field of ['path', 'link', 'sizeBytes'] as const) {
    const [first, second] = [earlier[field], later[field]]
    if (first !== undefined && second !== undefined && first !== second)
      throw malformed(`two headers of its archive give one entry different values: ${quote(String(second))}`)
  }
  return { ...earlier, ...later }
}

/** Parsers of the content of extensions, by type. */
const EXTENSIONS: Partial<Record<string, (content: Buffer) => Overrides>> = {
  L: (content) => ({ path: untilNul(content) }),
  K: (content) => ({ link: untilNul(content) }),
  x: parsePax,
  g: parsePax,
}

function untilNul(content: Buffer): string {
  const end = content.indexOf(0)
  return content.toString('utf8', 0, end === -1 ? content.length : end)
}

function parsePax(content: Buffer): Overrides {
  const overrides: Overrides = {}
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(0x20, at)
    const digits = content.toString('latin1', at, Math.min(space === -1 ? at : space, at + 8))
    const end = at + Number(digits)
    const equals = content.indexOf(0x3d, space)
    if (
      !/^[1-9]\d*$/.test(digits) ||
      end > content.length ||
      equals === -1 ||
      equals >= end ||
      content[end - 1] !== 0x0a
    ) {
      throw malformed('its archive holds a damaged pax header')
    }
    setPax(
      overrides,
      content.toString('utf8', space + 1, equals),
      content.toString('utf8', equals + 1, end - 1),
    )
    at = end
  }
  return overrides
}

function setPax(overrides: Overrides, key: string, value: string): void {
  if (key === 'path') overrides.path = value
  else if (key === 'linkpath') overrides.link = value
  else if (key === 'size') overrides.sizeBytes = paxSize(value)
  else if (key.startsWith('GNU.sparse.')) throw malformed('its archive holds a sparse file')
}

function paxSize(value: string): number {
  const size = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
  if (!Number.isSafeInteger(size))
    throw malformed(`its archive holds a pax header with the size ${quote(value)}`)
  return size
}

function entryType(flag: string, path: string): TarEntryType {
  switch (flag) {
    case '0':
    case '7':
    case '\0':
      // Before there was a type for folders, a file with a slash at the end of its name was a folder.
      return path.endsWith('/') ? 'folder' : 'file'
    case '1':
      return 'hardlink'
    case '2':
      return 'symlink'
    case '3':
    case '4':
    case '6':
      return 'device'
    case '5':
      return 'folder'
    default:
      throw malformed(`${quote(path)} in its archive is of an unknown type ${quote(flag)}`)
  }
}

function malformed(why: string): DepotError {
  return new DepotError('hart_malformed', why)
}
