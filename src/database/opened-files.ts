import { statSync } from 'node:fs'
import { DepotError } from '../errors.ts'

/** Which file a path named when it was opened. Survives a message to another thread. */
export interface OpenedFile {
  readonly path: string
  readonly device: bigint
  readonly inode: bigint
}

/**
 * Files and folders that a process has opened. Linux lets others remove or replace them meanwhile: what is written then goes into
 * files that have no name, and is lost when they are closed. So writers ask before they write whether each path still names what was
 * opened. A look takes about 2 µs for each path, and a commit a millisecond.
 */
export class OpenedFiles {
  readonly noted: readonly OpenedFile[]

  constructor(noted: readonly OpenedFile[]) {
    this.noted = noted
  }

  /** Notes which files the paths name now. Throws the system's error where one names none. */
  static note(paths: readonly string[]): OpenedFiles {
    return new OpenedFiles(
      paths.map((path) => {
        const { dev: device, ino: inode } = statSync(path, { bigint: true })
        return { path, device, inode }
      }),
    )
  }

  /** These files, and those that further paths name now. */
  with(paths: readonly string[]): OpenedFiles {
    return new OpenedFiles([...this.noted, ...OpenedFiles.note(paths).noted])
  }

  /** The first path that names another file than the one that was opened, or none, or cannot be looked at. */
  findGone(): string | undefined {
    return this.noted.find((file) => !isSame(file))?.path
  }

  /** Throws `data_gone`, which names no path, since clients are told of it. */
  expectThere(): void {
    if (this.findGone() !== undefined)
      throw new DepotError(
        'data_gone',
        'the data folder of the depot was removed or replaced while it ran; nothing was changed',
      )
  }
}

function isSame({ path, device, inode }: OpenedFile): boolean {
  try {
    const found = statSync(path, { bigint: true, throwIfNoEntry: false })
    return found?.dev === device && found.ino === inode
  } catch {
    return false
  }
}
