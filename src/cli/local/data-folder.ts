import { accessSync, constants, existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { readConfig } from '../../config.ts'
import type { Config } from '../../config.ts'
import { DepotError } from '../../errors.ts'
import type { Io } from '../io.ts'
import { quoteForShell } from './first-steps.ts'

/** Where a depot on this machine may be, if DEPOT_DATA does not say it. */
const USUAL_FOLDERS = ['./data', '/var/lib/hart-depot']

/** The configuration of the depot on this machine. */
export interface LocalConfig extends Config {
  /** The folders in which the depot was looked for, as a person would write them. */
  readonly searched: readonly string[]
}

/**
 * Reads the settings of the depot on this machine. Without DEPOT_DATA, its data folder is the first of the
 * usual folders that has a database or that this user may not look into, and else the first of them. Throws
 * `invalid_request` like {@link readConfig}.
 */
export function readLocalConfig(
  { env, stderr }: Pick<Io, 'env' | 'stderr'>,
  folders: readonly string[] = USUAL_FOLDERS,
): LocalConfig {
  if (['DEPOT_DATA', 'DEPOT_DATABASE_URL'].some((name) => (env[name] ?? '') !== '')) {
    const config = readConfig(env)
    return { ...config, searched: [config.dataFolder] }
  }
  const [usual = '', ...others] = folders
  const found = folders.find(mayHaveDepot)
  if (found !== undefined && others.includes(found)) stderr.write(`The data folder is ${found}.\n`)
  return { ...readConfig({ ...env, DEPOT_DATA: resolve(found ?? usual) }), searched: folders }
}

function mayHaveDepot(folder: string): boolean {
  try {
    return readdirSync(folder).includes('depot.sqlite')
  } catch (error) {
    return codeOf(error) === 'EACCES'
  }
}

/**
 * Checks that the user may list the data folder, and read or write the database, if they exist. Throws
 * `forbidden` with the command that runs as the owner, and `invalid_request` if DEPOT_DATA names a file.
 */
export function expectAccess(config: Config, to: 'read' | 'write'): void {
  const { dataFolder, databaseFile } = config
  const bits = to === 'read' ? constants.R_OK : constants.R_OK | constants.W_OK
  const checks = [
    { path: dataFolder, check: () => void readdirSync(dataFolder) },
    { path: databaseFile, check: () => accessSync(databaseFile, bits) },
  ]
  for (const { path, check } of checks) {
    try {
      check()
    } catch (cause) {
      const code = codeOf(cause)
      if (code === 'ENOTDIR')
        throw new DepotError(
          'invalid_request',
          `${path} cannot be a folder: it, or a part of it, is a file. DEPOT_DATA must name the data folder of a depot`,
          { cause },
        )
      if (code === 'EACCES' || code === 'EPERM')
        throw new DepotError('forbidden', describeDenial(path, config), { cause })
      if (code !== 'ENOENT') throw cause
    }
  }
}

/** Like {@link expectAccess}, and throws `not_found` if there is no depot. */
export function expectDepot(config: LocalConfig, to: 'read' | 'write'): void {
  expectAccess(config, to)
  if (existsSync(config.databaseFile)) return
  const where =
    config.searched.length === 1
      ? `in ${config.dataFolder}: ${config.databaseFile} does not exist`
      : `in ${config.searched.join(' or ')}`
  throw new DepotError(
    'not_found',
    `there is no depot ${where}. Set DEPOT_DATA to the data folder of a depot; hart-depot serve creates one`,
  )
}

/** Explains in a sentence why access to a path is denied, and who has it. */
export function describeDenial(path: string, config?: Config): string {
  const place = nearestReadable(path)
  const { uid } = statSync(place)
  if (uid === process.geteuid?.())
    return `${place} denies access to its own user: run chmod u+rwX ${quoteForShell(place)}`
  const owner = nameOf(uid)
  const denial = `${place} belongs to ${owner}, and ${nameOf(process.geteuid?.() ?? -1)} has no access to it`
  return config === undefined
    ? denial
    : `${denial}; the data folder is ${config.dataFolder}. To run as its owner: ${asOwner(owner, config)}`
}

/** Returns the current command as a shell command that runs as another user. */
function asOwner(owner: string, { dataFolder, databaseFile, blobFolder }: Config): string {
  const settings = [
    `DEPOT_DATA=${dataFolder}`,
    ...(databaseFile === join(dataFolder, 'depot.sqlite')
      ? []
      : [`DEPOT_DATABASE_URL=sqlite:${databaseFile}`]),
    ...(blobFolder === join(dataFolder, 'blobs') ? [] : [`DEPOT_BLOBS=fs:${blobFolder}`]),
  ]
  return ['sudo', '-u', owner, 'env', ...settings, ...process.argv].map(quoteForShell).join(' ')
}

/**
 * Returns the path, or the nearest folder above it, that `stat` can read. That file or folder is the one that
 * denies access.
 */
function nearestReadable(path: string): string {
  try {
    statSync(path)
    return path
  } catch {
    return path === dirname(path) ? path : nearestReadable(dirname(path))
  }
}

/** Returns a user's name, or an id such as `#1000`, which sudo accepts, if the name is unknown. */
function nameOf(uid: number): string {
  if (uid === process.geteuid?.()) return ownName() ?? `#${uid}`
  try {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((text) => text.split(':')[2] === String(uid))
    return line?.split(':')[0] ?? `#${uid}`
  } catch {
    return `#${uid}`
  }
}

function ownName(): string | undefined {
  try {
    return userInfo().username
  } catch {
    return undefined
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
