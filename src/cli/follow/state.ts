import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { lockData } from '../../database/engine.ts'
import { DepotError } from '../../errors.ts'

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
const LOCK_FILE = 'lock.sqlite'

/**
 * The folder in which a follower keeps its state and its packages. One follower uses it at a time. The caller
 * must close it.
 */
export class StateFolder {
  readonly path: string
  readonly #lock: { close(): void }
  #state: State | undefined

  private constructor(path: string, lock: { close(): void }) {
    this.path = path
    this.#lock = lock
  }

  /**
   * Opens a folder, and creates it if it does not exist. Throws `data_in_use` while another follower has it
   * open.
   */
  static async open(path: string): Promise<StateFolder> {
    await mkdir(path, { recursive: true, mode: 0o700 })
    const folder = new StateFolder(path, lockFolder(path))
    try {
      const found = JSON.parse(await readFile(join(path, STATE_FILE), 'utf8')) as Partial<State> | null
      if (found?.ident !== undefined) folder.#state = found as State
    } catch (error) {
      // A damaged file counts as absent: the hook then runs once more.
      if (!(error instanceof SyntaxError) && (error as NodeJS.ErrnoException).code !== 'ENOENT') {
        folder.close()
        throw error
      }
    }
    return folder
  }

  close(): void {
    this.#lock.close()
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

/** Locks a folder. The lock ends with the process, even after a crash. */
function lockFolder(path: string): { close(): void } {
  try {
    return lockData(join(path, LOCK_FILE))
  } catch (error) {
    if (!(error instanceof DepotError && error.code === 'data_in_use')) throw error
    throw new DepotError(
      'data_in_use',
      `another hart-depot follow of this package uses ${path}: end it, or name another folder with --state`,
      { cause: error },
    )
  }
}
