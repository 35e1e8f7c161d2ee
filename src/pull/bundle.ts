import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { sync } from '../blobs/sync.ts'
import { DepotError } from '../errors.ts'
import { MAX_LOCKFILE_BYTES } from '../lockfiles/lockfile.ts'
import type { SignedLockfile } from '../lockfiles/signed-lockfile.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { checkHart } from '../remote/fetch-hart.ts'
import type { FindKey, ExpectedHart } from '../remote/fetch-hart.ts'
import type { PullSource } from './source.ts'

// A lockfile and its packages in a folder, for transport without a network:
//
//   lockfile                                        written last, so a folder with a lockfile is complete
//   depot.key                                       the key of the depot that signed it, for people to compare
//   harts/{origin}/{name}/{version}/{release}/{target}.hart
//
// Files are durable before they appear under their names. The parts of an ident are folders, because two
// idents can have the same name when joined by `-`.

const LOCKFILE = 'lockfile'

/** A bundle in a folder. It can be read as a source, and written. */
export class Bundle implements PullSource {
  readonly place: string
  readonly #folder: string

  /** `lockfile` is a path. */
  private constructor(folder: string, lockfile: string) {
    this.place = lockfile
    this.#folder = folder
  }

  /** Returns the bundle in a folder, which need not exist yet. */
  static in(folder: string): Bundle {
    return new Bundle(resolve(folder), join(resolve(folder), LOCKFILE))
  }

  /** Opens a folder, or a lockfile with `harts` beside it. Throws `not_found`. */
  static async open(place: string): Promise<Bundle> {
    const file = resolve(place)
    const found = await stat(file).catch(() => undefined)
    if (found === undefined)
      throw new DepotError('not_found', `there is neither a folder nor a lockfile ${file}`)
    return found.isDirectory() ? Bundle.in(file) : new Bundle(dirname(file), file)
  }

  /** Names the depot and not the folder, because the folder may be moved. */
  provenanceOf({ depot, key }: SignedLockfile): string {
    return `${depot ?? `the depot with the key ${key.id}`}, as files`
  }

  async isReachable(): Promise<boolean> {
    return true
  }

  /**
   * Reads the lockfile. Throws `not_found` if the save was not completed, and `lockfile_malformed` if the
   * file is too large.
   */
  async readLockfile(): Promise<string> {
    const { size } = await orNotFound(
      stat(this.place),
      `there is no lockfile ${this.place}: pull --save was not run, or did not finish`,
    )
    if (size > MAX_LOCKFILE_BYTES)
      throw new DepotError(
        'lockfile_malformed',
        `not a lockfile: ${this.place} has more than ${MAX_LOCKFILE_BYTES} bytes`,
      )
    return readFile(this.place, 'utf8')
  }

  async readKey(): Promise<string | undefined> {
    return readFile(join(this.#folder, 'depot.key'), 'utf8').catch(() => undefined)
  }

  async withHart<T>(expected: ExpectedHart, findKey: FindKey, use: (file: string) => Promise<T>): Promise<T> {
    const file = this.#pathOf(expected)
    await orNotFound(stat(file), `there is no file ${file}`)
    await checkHart(file, expected, findKey)
    return use(file)
  }

  /** Reports whether a package exists and is intact. */
  async has(expected: ExpectedHart, findKey: FindKey): Promise<boolean> {
    const file = this.#pathOf(expected)
    const found = await stat(file).catch(() => undefined)
    if (found === undefined || found.size !== expected.sizeBytes) return false
    return checkHart(file, expected, findKey).then(
      () => true,
      (error: unknown) => {
        if (error instanceof DepotError) return false
        throw error
      },
    )
  }

  /** Moves a verified file into the bundle, durably. */
  async keep(expected: ExpectedHart, from: string): Promise<void> {
    const file = this.#pathOf(expected)
    await mkdir(dirname(file), { recursive: true })
    await sync(from)
    await rename(from, file)
    for (let folder = dirname(file); ; folder = dirname(folder)) {
      await sync(folder)
      if (folder === this.#folder) return
    }
  }

  /** Creates an empty folder for downloads, on the same disk so that {@link keep} can rename. */
  async makeSpool(): Promise<string> {
    const spool = join(this.#folder, 'incoming')
    await rm(spool, { recursive: true, force: true })
    await mkdir(spool, { recursive: true })
    return spool
  }

  /** Writes the key and then the lockfile, which completes the bundle. */
  async finish(lockfile: string, key: string | undefined): Promise<void> {
    await rm(join(this.#folder, 'incoming'), { recursive: true, force: true })
    if (key !== undefined) await this.#write('depot.key', key)
    await this.#write(LOCKFILE, lockfile)
  }

  async #write(name: string, text: string): Promise<void> {
    const file = join(this.#folder, name)
    await writeFile(`${file}.new`, text, { flush: true })
    await rename(`${file}.new`, file)
    await sync(this.#folder)
  }

  /** Returns a path below the folder: the parts of a parsed ident contain no `..` or `/`. */
  #pathOf({ ident, target }: { ident: Ident; target: Target }): string {
    return join(
      this.#folder,
      'harts',
      ident.origin,
      ident.name,
      ident.version,
      ident.release,
      `${target}.hart`,
    )
  }
}

async function orNotFound<T>(found: Promise<T>, message: string): Promise<T> {
  return found.catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')
      throw new DepotError('not_found', message, { cause })
    throw cause
  })
}
