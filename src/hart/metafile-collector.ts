import { DepotError } from '../errors.ts'
import { FilesList } from './files-list.ts'
import { isMetafile, METAFILES, parseMetadata, REQUIRED_METAFILES } from './metadata.ts'
import type { HartMetadata, Metafile } from './metadata.ts'
import { PackagePaths } from './package-paths.ts'
import type { TarEntry, TarSink } from './tar.ts'

/** The package's own list of files, which only tells what is still to come. */
const FILES = 'FILES'

/** Picks the metafiles out of a package's archive, entry by entry. */
export class MetafileCollector {
  readonly #paths = new PackagePaths()
  readonly #contents = new Map<Metafile, Buffer>()
  readonly #seen = new Set<string>()
  #listed: ReadonlySet<string> | undefined

  /** Where the entry's content should go; nowhere for what is no metafile. Throws `hart_malformed`. */
  visit(entry: TarEntry): TarSink | undefined {
    const name = this.#paths.enter(entry)
    if (name === undefined || !(isMetafile(name) || name === FILES)) return undefined
    if (entry.type !== 'file')
      throw new DepotError('hart_malformed', `the metafile ${name} is malformed: it is a ${entry.type}`)
    // The one that is unpacked last would win: the archive would say two things, and which is true would depend on the reader.
    if (this.#seen.has(name))
      throw new DepotError('hart_malformed', `the metafile ${name} is malformed: it is in the archive twice`)
    this.#seen.add(name)
    return name === FILES ? this.#collectFiles() : this.#collect(name, entry.sizeBytes)
  }

  /**
   * Whether what is still to come cannot matter: everything was seen, or everything that the package's own list of files names, and
   * MANIFEST, which is written after that list.
   */
  get complete(): boolean {
    if (!REQUIRED_METAFILES.every((name) => this.#contents.has(name))) return false
    const expected = this.#listed ?? Object.keys(METAFILES)
    return [...expected].every((name) => isMetafile(name) && this.#contents.has(name))
  }

  /** Throws `hart_malformed` or `target_malformed`. */
  finish(): HartMetadata {
    return parseMetadata(this.#contents, this.#paths.ident)
  }

  #collect(name: Metafile, sizeBytes: number): TarSink {
    const most = METAFILES[name]
    if (sizeBytes > most)
      throw new DepotError(
        'hart_malformed',
        `the metafile ${name} is malformed: it has ${sizeBytes} bytes; the most is ${most}`,
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
        // A list that does not even name IDENT is not this package's. Without a list, the whole archive is read.
        if (names.has('IDENT')) this.#listed = names
      },
    }
  }
}
