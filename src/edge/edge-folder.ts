import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { lockData } from '../database/engine.ts'
import { DepotError } from '../errors.ts'
import { AnswerFiles } from './answer-files.ts'

/** How far a set of answers has followed the depot. */
export interface EdgeState {
  /** The folder of the set. */
  readonly set: string
  /** The position in the ledger through which the files are current. */
  readonly position: string
  /** The revision of each view whose pointers the files have. */
  readonly revisions: Readonly<Record<string, number>>
  /** See `Reached` in materializer.ts. */
  readonly hasHidden: boolean
  /** When the depot last confirmed that nothing is newer, epoch milliseconds. */
  readonly confirmedAt: number
  /** The boot of the machine. Files that were written before a power failure may be damaged. */
  readonly boot: string
}

const STATE_FILE = 'state.json'
const LOCK_FILE = 'lock.sqlite'
const CURRENT = 'current'
const METRICS_FILE = 'edge.prom'
const SET = /^answers-(\d+)$/
/** What may be in the folder before it has a set. */
const BEFORE_FIRST_SET = /^(?:lock\.sqlite.*|edge\.prom.*|lost\+found)$/

/**
 * The folder of an edge: at most two sets of answers, and the link `current` to the one that nginx serves.
 * Without the link nginx finds no file, and passes each request to the depot. One process writes it at a
 * time; the caller must close it.
 */
export class EdgeFolder {
  readonly path: string
  readonly #lock: { close(): void }
  readonly #boot: string
  #state: EdgeState | undefined

  private constructor(path: string, lock: { close(): void }) {
    this.path = path
    this.#lock = lock
    this.#boot = bootOfMachine()
    const state = readState(join(path, STATE_FILE))
    if (state?.boot === this.#boot) this.#state = state
    else this.clear()
  }

  /**
   * Opens a folder, or creates it. Throws `data_in_use` while another process has it open, and `conflict` for
   * a file or a folder with other contents, which may be those of a depot.
   */
  static open(path: string): EdgeFolder {
    expectOwn(path)
    mkdirSync(path, { recursive: true, mode: 0o755 })
    return new EdgeFolder(path, lockFolder(path))
  }

  close(): void {
    this.#lock.close()
  }

  /** `undefined` if the folder has no complete set of answers. */
  get state(): EdgeState | undefined {
    return this.#state
  }

  /** Whether nginx serves the files. */
  get isServed(): boolean {
    try {
      return readlinkSync(join(this.path, CURRENT)) === this.#state?.set
    } catch {
      return false
    }
  }

  /** The set of answers of the state. */
  files(): AnswerFiles {
    return new AnswerFiles(join(this.path, this.#state?.set ?? ''))
  }

  /** Begins a new set, which nobody reads before {@link keep} and {@link serve}. */
  begin(): AnswerFiles {
    const numbers = readdirSync(this.path).map((name) => Number(SET.exec(name)?.[1] ?? 0))
    const files = new AnswerFiles(join(this.path, `answers-${Math.max(0, ...numbers) + 1}`))
    mkdirSync(files.folder)
    return files
  }

  /** Stores how far a set has followed. */
  keep(files: AnswerFiles, state: Omit<EdgeState, 'set' | 'boot'>): void {
    this.#state = { ...state, set: basename(files.folder), boot: this.#boot }
    this.#replace(STATE_FILE, JSON.stringify(this.#state))
  }

  /** Lets nginx serve the set of the state, and removes other sets. */
  serve(): void {
    const { set } = this.#state ?? {}
    if (set === undefined || this.isServed) return
    rmSync(join(this.path, `${CURRENT}.next`), { force: true })
    symlinkSync(set, join(this.path, `${CURRENT}.next`))
    renameSync(join(this.path, `${CURRENT}.next`), join(this.path, CURRENT))
    this.#removeSets((name) => name !== set)
  }

  /** Lets nginx pass every request to the depot. The files stay. */
  withdraw(): void {
    rmSync(join(this.path, CURRENT), { force: true })
  }

  /** Takes every file away. */
  clear(): void {
    this.withdraw()
    this.#state = undefined
    rmSync(join(this.path, STATE_FILE), { force: true })
    this.#removeSets(() => true)
  }

  /** Writes metrics for the textfile collector of Prometheus' node_exporter to `file`, or into the folder. */
  writeMetrics(text: string, file = join(this.path, METRICS_FILE)): void {
    writeFileSync(`${file}.next`, text, { mode: 0o644 })
    renameSync(`${file}.next`, file)
  }

  #replace(file: string, text: string): void {
    const path = join(this.path, file)
    writeFileSync(`${path}.next`, text)
    renameSync(`${path}.next`, path)
  }

  #removeSets(isUnneeded: (name: string) => boolean): void {
    for (const name of readdirSync(this.path))
      if (SET.test(name) && isUnneeded(name)) rmSync(join(this.path, name), { recursive: true, force: true })
  }
}

function expectOwn(path: string): void {
  if (!existsSync(path)) return
  if (!statSync(path).isDirectory()) throw new DepotError('conflict', `${path} is a file: name a folder`)
  const names = readdirSync(path)
  const isOwn = names.some((name) => name === STATE_FILE || SET.test(name))
  if (isOwn || names.every((name) => BEFORE_FIRST_SET.test(name))) return
  throw new DepotError(
    'conflict',
    `${path} has files that hart-depot materialize did not write: name an empty folder`,
  )
}

function lockFolder(path: string): { close(): void } {
  try {
    return lockData(join(path, LOCK_FILE))
  } catch (error) {
    if (!(error instanceof DepotError && error.code === 'data_in_use')) throw error
    throw new DepotError(
      'data_in_use',
      `another hart-depot materialize writes ${path}: end it, or name another folder`,
      { cause: error },
    )
  }
}

/** Reads the state. A missing or damaged file is no state: everything is then written again. */
function readState(file: string): EdgeState | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as EdgeState
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Returns an id that each start of the machine changes, where the system has one. */
function bootOfMachine(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
