import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A release that was given to the hook. */
export interface Given {
  readonly ident: string
  readonly target: string
  /** BLAKE2b-256 of the file in hex. */
  readonly checksum: string
  readonly file: string
}

/** The last release that was given to the hook, and how that ended. */
export interface State extends Given {
  /**
   * `updating` from before the hook begins until it ends. If this is the status after a crash, nobody knows
   * whether the update was made, so the hook runs again.
   */
  readonly status: 'updating' | 'running' | 'failed'
  /** When the status began, in RFC 3339. */
  readonly since: string
  /** How often the hook was run for this release, including the present run. */
  readonly attempts: number
  /** The file of the release that ran before. */
  readonly previousFile: string | null
}

/** Returns the file of the last release for which the hook succeeded. */
export function fileInUse(state: State | undefined): string | null {
  return (state?.status === 'running' ? state.file : state?.previousFile) ?? null
}

/** Returns the files that the machine may run: of a failed or interrupted update, also the one before. */
export function filesToKeep(state: State | undefined): (string | null)[] {
  return [state?.file ?? null, fileInUse(state)]
}

const STATE_FILE = 'state.json'

/** The folder in which a follower keeps its state and its packages. One follower uses it at a time. */
export class StateFolder {
  readonly path: string
  #state: State | undefined

  private constructor(path: string) {
    this.path = path
  }

  /** Opens a folder, and creates it if it does not exist. */
  static async open(path: string): Promise<StateFolder> {
    const folder = new StateFolder(path)
    await mkdir(path, { recursive: true, mode: 0o700 })
    try {
      folder.#state = JSON.parse(await readFile(join(path, STATE_FILE), 'utf8')) as State
    } catch (error) {
      // A damaged file counts as absent: the hook then runs once more.
      if (!(error instanceof SyntaxError) && (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    return folder
  }

  get state(): State | undefined {
    return this.#state
  }

  /** Replaces the state as a whole, so that a crash leaves the old or the new one. */
  async write(state: State): Promise<void> {
    const next = join(this.path, `${STATE_FILE}.next`)
    await writeFile(next, `${JSON.stringify(state, undefined, 2)}\n`, { flush: true })
    await rename(next, join(this.path, STATE_FILE))
    this.#state = state
  }

  /** Removes packages, and parts of packages, other than these files. */
  async removeOthers(kept: readonly (string | null)[]): Promise<void> {
    for (const name of await readdir(this.path)) {
      const file = join(this.path, name)
      if (/\.hart(\.part)?$/.test(name) && !kept.includes(file)) await rm(file, { force: true })
    }
  }
}
