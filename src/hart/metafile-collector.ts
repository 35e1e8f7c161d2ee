import { DepotError } from '../errors.ts'
import { FilesList } from './files-list.ts'
import { isMetafile, METAFILES, parseMetadata, REQUIRED_METAFILES } from './metadata.ts'
import type { HartMetadata, Metafile } from './metadata.ts'
import { PackagePaths } from './package-paths.ts'
import type { TarEntry, TarSink } from './tar.ts'

/** The package's own list of files, which tells which metafiles are still to come. */
const FILES = 'FILES'

/** Collects the metafiles of a package while its archive is read. */
export class MetafileCollector {
  #paths = new PackagePaths()
  #contents = new Map<Metafile, Buffer>()
  #seen = new Set<string>()
  #listed: ReadonlySet<string> | undefined

  /** Returns an independent collector with the same content. */
  copy(): MetafileCollector {
    const copy = new MetafileCollector()
    copy.#paths = this.#paths.copy()
    copy.#contents = new Map(this.#contents)
    copy.#seen = new Set(this.#seen)
    copy.#listed = this.#listed
    return copy
  }

  /** Reports whether a path is inside the package's folder, which is known after the first entry in it. */
  isOwn(path: string): boolean {
    return this.#paths.below(path) !== undefined
  }

  /**
   * Returns the sink for the content of a metafile, and `undefined` for other entries. Throws
   * `hart_malformed`.
   */
  visit(entry: TarEntry): TarSink | undefined {
    const name = this.#paths.enter(entry)
    if (name === undefined || !(isMetafile(name) || name === FILES)) return undefined
    if (entry.type !== 'file')
      throw new DepotError('hart_malformed', `the metafile ${name} is malformed: it is a ${entry.type}`)
    // Readers that take the first one would see other metadata than those that take the last.
    if (this.#seen.has(name))
      throw new DepotError('hart_malformed', `the metafile ${name} is malformed: it is in the archive twice`)
    this.#seen.add(name)
    return name === FILES ? this.#collectFiles() : this.#collect(name, entry.sizeBytes)
  }

  /**
   * Whether the rest of the archive can be skipped, because the collector has all metafiles that FILES names,
   * or every kind of metafile if FILES was not seen. MANIFEST is always required, because FILES does not name
   * it.
   */
  get complete(): boolean {
    if (!REQUIRED_METAFILES.every((name) => this.#contents.has(name))) return false
    const expected = this.#listed ?? Object.keys(METAFILES)
    return [...expected].every((name) => isMetafile(name) && this.#contents.has(name))
  }

  /** Parses the collected metafiles. Throws `hart_malformed` or `target_malformed`. */
  finish(): HartMetadata {
    return parseMetadata(this.#contents, this.#paths.ident)
  }

  #collect(name: Metafile, sizeBytes: number): TarSink {
    const max = METAFILES[name]
    if (sizeBytes > max)
      throw new DepotError(
        'hart_malformed',
        `the metafile ${name} is malformed: it has ${sizeBytes} bytes; the limit is ${max}`,
      )
    const chunks: Buffer[] = []
    return {
      write: (bytes) => chunks.push(Buffer.from(bytes)),
      end: () => this.#contents.set(name, Buffer.concat(chunks)),
    }
  }

  #collectFiles(): TarSink {
    const list = new FilesList((path) => isMetafile(this.#paths.below(path) ?? ''))
    return {
      write: (bytes) => list.write(bytes),
      end: () => {
        const names = new Set([...(list.end() ?? [])].map((path) => this.#paths.below(path) ?? ''))
        // A list without IDENT does not belong to this package. Without a list, the whole archive is read.
        if (names.has('IDENT')) this.#listed = names
      },
    }
  }
}
