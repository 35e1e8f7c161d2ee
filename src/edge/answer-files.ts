import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { ReleaseName } from '../package/ident.ts'
import { FORMS, bodyKey, isFileName, releaseIn, showFile } from './layout.ts'
import type { Form } from './layout.ts'

/** For each file of `latest`, the body to which it becomes a link; `undefined` removes the file. */
export type Moves = ReadonlyMap<string, { readonly release: ReleaseName; readonly form: Form } | undefined>

/** The ending of a link or a file that is being made, before it is renamed to its place. */
const NEXT = ',next'
/** The name of a view that is being removed begins with this. */
const GONE = ','
const SIDES = ['a', 'b'] as const

/**
 * One set of answers on disk; layout.ts names its files. nginx reads them at any time, so each change is one
 * rename or one removal. Uses synchronous calls: each takes microseconds, and a pool of threads would take
 * longer.
 *
 * The pointers of a view exist twice, in the folders `a` and `b`. A change is made in the folder that is not
 * read, then the link `now` moves to it, and then the change is made in the other. So all pointers of a
 * revision change at once, at a cost that does not grow with the view.
 */
export class AnswerFiles {
  readonly folder: string
  readonly #made = new Set<string>()

  constructor(folder: string) {
    this.folder = folder
  }

  writeBody(release: ReleaseName, form: Form, body: Buffer): void {
    const key = bodyKey(release)
    const show = showFile(release, form)
    if (show === undefined) return
    this.write(`bodies/${form}/${key}`, body)
    this.#link(`../../bodies/${form}/${key}`, `shows/${show}`)
  }

  hasBody(release: ReleaseName): boolean {
    return existsSync(join(this.folder, 'bodies/whole', bodyKey(release)))
  }

  /** Removes the bodies of a release. Then no file answers with them, because other files link to bodies. */
  removeRelease(release: ReleaseName): void {
    for (const form of FORMS) this.remove(`bodies/${form}/${bodyKey(release)}`)
    for (const form of FORMS) {
      const show = showFile(release, form)
      if (show !== undefined) this.remove(`shows/${show}`)
    }
  }

  /** Returns the releases that have a body and whose key is not in `keys`. */
  releasesExcept(keys: ReadonlySet<string>): ReleaseName[] {
    const folder = join(this.folder, 'bodies/whole')
    return namesIn(folder)
      .filter((key) => isFileName(key) && !keys.has(key))
      .map((key) => releaseIn(readFileSync(join(folder, key))))
  }

  views(): string[] {
    return namesIn(join(this.folder, 'views')).filter(isFileName)
  }

  hasView(view: string): boolean {
    return existsSync(join(this.folder, 'views', view))
  }

  /** Adds an empty view, unless it is there. */
  addView(view: string): void {
    const place = `views/${view}`
    for (const side of SIDES) this.#makeFolder(`${place}/${side}`)
    this.#link('../../shows', `${place}/shows`)
    if (this.#targetOf(`${place}/now`) === undefined) this.#link('a', `${place}/now`)
  }

  /** Removes a view at once, and then its files. */
  removeView(view: string): void {
    const folder = join(this.folder, 'views', view)
    const gone = join(this.folder, 'views', `${GONE}${view}`)
    rmSync(gone, { recursive: true, force: true })
    if (existsSync(folder)) renameSync(folder, gone)
    rmSync(gone, { recursive: true, force: true })
    for (const made of this.#made) if (made.startsWith(`views/${view}/`)) this.#made.delete(made)
  }

  /** Returns the files of a view. */
  filesOf(view: string): string[] {
    return this.#filesIn(`views/${view}/now`)
  }

  /** Moves pointers of a view, for readers all at once. */
  move(view: string, moves: Moves): void {
    const place = `views/${view}`
    const [idle, read] = this.#sidesOf(view)
    const wanted = [...moves].map(([file, answer]) => [file, answer && linkTo(answer)] as const)
    const isEmpty = namesIn(join(this.folder, place, read)).length === 0
    const changed = wanted.filter(
      ([file, target]) => target !== (isEmpty ? undefined : this.#targetOf(`${place}/${read}/${file}`)),
    )
    if (changed.length === 0) return
    this.#moveIn(`${place}/${idle}`, changed)
    this.#link(idle, `${place}/now`)
    this.#moveIn(`${place}/${read}`, changed)
  }

  /** Finishes what a process that was killed has left: makes both folders of each view equal again. */
  repair(): void {
    for (const name of namesIn(join(this.folder, 'views')))
      if (name.startsWith(GONE)) this.remove(`views/${name}`)
    for (const view of this.views()) {
      this.addView(view)
      const place = `views/${view}`
      const [idle, read] = this.#sidesOf(view)
      const files = new Set([...this.#filesIn(`${place}/${idle}`), ...this.#filesIn(`${place}/${read}`)])
      const targets = [...files].map((file) => [file, this.#targetOf(`${place}/${read}/${file}`)] as const)
      this.#moveIn(
        `${place}/${idle}`,
        targets.filter(([file, target]) => this.#targetOf(`${place}/${idle}/${file}`) !== target),
      )
    }
  }

  /**
   * Writes a file as a whole. nginx makes the entity tag from the size and the time of change, which is
   * therefore derived from the bytes: two answers of one second have different tags, and two edges give the
   * same tag.
   */
  write(file: string, bytes: Buffer): void {
    this.#makeFolder(dirname(file))
    const path = join(this.folder, file)
    const time = createHash('sha256').update(bytes).digest().readUInt32BE(0) >>> 1
    writeFileSync(`${path}${NEXT}`, bytes)
    utimesSync(`${path}${NEXT}`, time, time)
    renameSync(`${path}${NEXT}`, path)
  }

  remove(file: string): void {
    rmSync(join(this.folder, file), { force: true, recursive: true })
  }

  /** Returns the folder of a view that is not read, and the one that is. */
  #sidesOf(view: string): readonly [idle: string, read: string] {
    return this.#targetOf(`views/${view}/now`) === 'a' ? ['b', 'a'] : ['a', 'b']
  }

  #filesIn(folder: string): string[] {
    const path = join(this.folder, folder)
    return namesIn(path).flatMap((origin) => namesIn(join(path, origin)).map((name) => `${origin}/${name}`))
  }

  #moveIn(side: string, targets: readonly (readonly [file: string, target: string | undefined])[]): void {
    for (const [file, target] of targets) {
      if (target === undefined) this.remove(`${side}/${file}`)
      else this.#link(target, `${side}/${file}`)
    }
  }

  /** Returns where a link leads, or `undefined` if there is no link. */
  #targetOf(file: string): string | undefined {
    try {
      return readlinkSync(join(this.folder, file))
    } catch (error) {
      if (['ENOENT', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
      throw error
    }
  }

  /** Makes a link, or replaces one at once. */
  #link(target: string, file: string): void {
    this.#makeFolder(dirname(file))
    const path = join(this.folder, file)
    try {
      symlinkSync(target, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      if (this.#targetOf(file) === target) return
      rmSync(`${path}${NEXT}`, { force: true })
      symlinkSync(target, `${path}${NEXT}`)
      renameSync(`${path}${NEXT}`, path)
    }
  }

  #makeFolder(folder: string): void {
    if (this.#made.has(folder)) return
    mkdirSync(join(this.folder, folder), { recursive: true })
    this.#made.add(folder)
  }
}

/** Returns the target of a link to a body, from the folder of an origin in a view. */
function linkTo({ release, form }: { readonly release: ReleaseName; readonly form: Form }): string {
  return `../../../../bodies/${form}/${bodyKey(release)}`
}

/** Returns the names in a folder, and none if there is no such folder. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
