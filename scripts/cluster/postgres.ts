import { execFile, execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, globSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../../test/support/free-port.ts'
import { whenGone } from './when-gone.ts'
import type { User } from './when-gone.ts'

const run = promisify(execFile)

/** What a server logs when it accepts connections. A standby accepts only those that read. */
const READY = /ready to accept (read-only )?connections/

export interface ThrowawayPostgresOptions {
  /**
   * Whether commits survive a crash of the machine. Benches need that. Without, they survive only the death of
   * the server's processes.
   */
  readonly isDurable?: boolean
  /** Further settings of the server, for example `{ max_connections: '300' }`. */
  readonly settings?: Readonly<Record<string, string>>
  /** The folder below which the data folder is made. By default, the folder of temporary files. */
  readonly below?: string
}

/**
 * A PostgreSQL server in a temporary folder, on a loopback port, for tests, benches and trials. Everyone who
 * reaches the port is its superuser `postgres`. It stops, and its folder goes, with `close` or when this
 * process ends, even by SIGKILL.
 */
export class ThrowawayPostgres {
  /** The data folder. Its Unix socket is in it, too. */
  readonly folder: string
  readonly port: number
  /** Where the server accepts TCP connections, with the database `postgres`. */
  readonly url: string
  readonly #programs: string
  readonly #user: User | undefined
  readonly #settings: readonly string[]
  readonly #cancelGuard: () => void
  #server: ChildProcess | undefined

  private constructor(
    folder: string,
    port: number,
    programs: string,
    settings: Readonly<Record<string, string>>,
  ) {
    this.folder = folder
    this.port = port
    this.url = `postgres://postgres@127.0.0.1:${port}/postgres`
    this.#programs = programs
    this.#user = serverUser()
    this.#settings = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    this.#cancelGuard = whenGone(
      'i=0; until "$1/pg_ctl" stop -m immediate -D "$2" || [ $((i += 1)) -ge 3 ]; do sleep 1; done; rm -rf "$2"',
      [programs, folder],
      this.#user,
    )
  }

  /** Reports whether {@link start} finds PostgreSQL's programs. */
  static isInstalled(): boolean {
    return findPrograms() !== undefined
  }

  /** Makes a data folder and starts a server in it. Throws if PostgreSQL is not installed. */
  static async start(options: ThrowawayPostgresOptions = {}): Promise<ThrowawayPostgres> {
    const args = ['--username=postgres', '--auth=trust', '--encoding=UTF8', '--no-sync', '--no-instructions']
    return ThrowawayPostgres.#make(options, async (programs, folder, user) => {
      const locale = await localeOf(programs)
      await run(join(programs, 'initdb'), [...args, ...locale, '-D', folder], { ...user, cwd: folder })
    })
  }

  /**
   * Starts a standby of this server, which follows it by streaming replication. It reaches this server through
   * `port`, and `name` is what `synchronous_standby_names` calls it. `promote` makes it a server of its own.
   */
  async startStandby(
    name: string,
    { port = this.port, ...options }: ThrowawayPostgresOptions & { readonly port?: number } = {},
  ): Promise<ThrowawayPostgres> {
    const primary = `host=127.0.0.1 port=${port} user=postgres application_name=${name}`
    const settings = { ...options.settings, primary_conninfo: primary }
    return ThrowawayPostgres.#make({ ...options, settings }, async (programs, folder, user) => {
      const args = ['--write-recovery-conf', '--checkpoint=fast', '--wal-method=stream', '--no-sync']
      await run(join(programs, 'pg_basebackup'), [...args, '-d', primary, '-D', folder], {
        ...user,
        cwd: folder,
      })
    })
  }

  /** Lets a standby end its recovery. Resolves when it accepts writes. */
  async promote(): Promise<void> {
    await this.query('select pg_promote()')
  }

  static async #make(
    options: ThrowawayPostgresOptions,
    fill: (programs: string, folder: string, user: User | undefined) => Promise<void>,
  ): Promise<ThrowawayPostgres> {
    const programs = findPrograms()
    if (programs === undefined) throw new Error('PostgreSQL is not installed: apt-get install postgresql')
    const user = serverUser()
    const folder = mkdtempSync(join(options.below ?? tmpdir(), 'hart-depot-postgres-'))
    if (user !== undefined) chownSync(folder, user.uid, user.gid)
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: folder,
      fsync: options.isDurable === true ? 'on' : 'off',
      shared_buffers: '64MB',
      max_connections: '200',
      ...options.settings,
    }
    const postgres = new ThrowawayPostgres(folder, await freePort(), programs, settings)
    try {
      await fill(programs, folder, user)
      await postgres.restart()
      return postgres
    } catch (error) {
      await postgres.close()
      throw error
    }
  }

  /** The process id of the server's first process, while it runs. */
  get pid(): number | undefined {
    return this.#server?.pid
  }

  /** Starts the server again after {@link stop}. Resolves once it accepts connections. */
  async restart(): Promise<void> {
    const server = spawn(
      join(this.#programs, 'postgres'),
      ['-D', this.folder, '-p', String(this.port), ...this.#settings],
      { ...this.#user, cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'], detached: true },
    )
    this.#server = server
    let said = ''
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>()
    server.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-10_000)
      if (READY.test(said)) resolve()
    })
    server.once('error', reject)
    server.once('exit', (code, signal) => {
      if (this.#server === server) this.#server = undefined
      reject(new Error(`PostgreSQL ended with ${code ?? signal}: ${said}`))
    })
    await ready
  }

  /**
   * Stops the server and keeps its data. `SIGKILL` is the death of the machine's processes, `SIGQUIT` a crash
   * that still ends all its processes, and `SIGINT` a clean stop.
   */
  async stop(signal: 'SIGKILL' | 'SIGQUIT' | 'SIGINT' = 'SIGINT'): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    const ended = once(server, 'exit')
    server.kill(signal)
    await ended
  }

  /** Runs statements with psql and returns the values it prints, one row a line, columns between `|`. */
  async query(sql: string, database = 'postgres'): Promise<string> {
    const args = ['-h', this.folder, '-p', String(this.port), '-U', 'postgres', '-d', database]
    const { stdout } = await run(join(this.#programs, 'psql'), [
      ...args,
      '-XAtq',
      '-v',
      'ON_ERROR_STOP=1',
      '-c',
      sql,
    ])
    return stdout.trimEnd()
  }

  /** Stops the server and removes its folder. */
  async close(): Promise<void> {
    await this.stop('SIGQUIT')
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
    this.#cancelGuard()
  }
}

/** The user and group of the server's processes: `postgres` for root, whom PostgreSQL refuses. */
function serverUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined
  const [uid = 0, gid = 0] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'postgres'])))
  return { uid, gid }
}

/** Returns the folder of the newest PostgreSQL's programs; `undefined` if none is installed. */
function findPrograms(): string | undefined {
  const folders = [
    ...globSync('/usr/lib/postgresql/*/bin').toSorted((a, b) => versionOf(b) - versionOf(a)), // Debian
    ...(process.env['PATH'] ?? '').split(':'),
  ]
  return folders.find((path) => existsSync(join(path, 'initdb')))
}

function versionOf(folder: string): number {
  return Number(/(\d+)\/bin$/.exec(folder)?.[1] ?? 0)
}

/**
 * Returns the locale of the databases: English where the server can, as on most servers, so that a query that
 * relies on bytewise order fails in a test and not there.
 */
async function localeOf(programs: string): Promise<readonly string[]> {
  const { stdout } = await run(join(programs, 'initdb'), ['--help'])
  return stdout.includes('--icu-locale')
    ? ['--locale=C.UTF-8', '--locale-provider=icu', '--icu-locale=en-US']
    : ['--locale=C.UTF-8']
}
