import { accessSync, constants, existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { readConfig } from '../../config/config.ts'
import type { Config } from '../../config/config.ts'
import { DepotError } from '../../errors.ts'
import type { Io } from '../io.ts'
import { describeDenial, describeRootServing } from './denial.ts'

/** Where a depot on this machine may be, if DEPOT_DATA does not say it. */
const USUAL_FOLDERS = ['./data', '/var/lib/hart-depot']

/** The configuration of the depot on this machine. */
export interface LocalConfig extends Config {
  /** The folders in which the depot was looked for, as a person would write them. */
  readonly searched: readonly string[]
}

/** The settings of a depot that systemd runs (deploy/systemd/hart-depot.service). */
const SERVICE_SETTINGS = '/etc/hart-depot/environment'
/** Variables that the AWS SDK reads by itself. */
const OF_SDK = /^AWS_/

/**
 * Reads the settings of the depot on this machine. Without DEPOT_DATA and a URL of the database, its data
 * folder is the first of the usual folders that has a database or that this user may not look into, and else
 * the first of them. Unless the first usual folder has a depot, the settings of a depot that systemd runs are
 * read from their file, too, so that a command works on the database and the packages of that depot. Its
 * credentials for S3 are added to `env`, the environment of this process, where the SDK looks for them.
 * Throws `invalid_request` like {@link readConfig}.
 */
export function readLocalConfig(
  { env, stderr }: Pick<Io, 'stderr'> & { env: Record<string, string | undefined> },
  folders: readonly string[] = USUAL_FOLDERS,
  settingsFile = SERVICE_SETTINGS,
): LocalConfig {
  if (
    ['DEPOT_DATA', 'DEPOT_DATABASE_URL', 'DEPOT_DATABASE_URL_FILE'].some((name) => (env[name] ?? '') !== '')
  ) {
    const config = readConfig(env)
    return { ...config, searched: [config.dataFolder] }
  }
  const [usual = '', ...others] = folders
  const found = folders.find(mayHaveDepot)
  const settings = found === usual ? undefined : readServiceSettings(settingsFile, stderr)
  if (settings !== undefined) {
    const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
    const config = readConfig({ DEPOT_DATA: others.at(-1), ...settings, ...given })
    for (const [name, value] of Object.entries(settings)) if (OF_SDK.test(name)) env[name] ??= value
    stderr.write(`The data folder is ${config.dataFolder}, with the settings in ${settingsFile}.\n`)
    return { ...config, searched: [usual, config.dataFolder] }
  }
  if (found !== undefined && others.includes(found)) stderr.write(`The data folder is ${found}.\n`)
  return { ...readConfig({ ...env, DEPOT_DATA: resolve(found ?? usual) }), searched: folders }
}

/**
 * Reads the settings in a file of lines `NAME=value`. Returns `undefined` if there are none, and warns if
 * this user may not read the file.
 */
function readServiceSettings(file: string, stderr: Io['stderr']): Record<string, string> | undefined {
  try {
    const settings = Object.entries(parseEnv(readFileSync(file, 'utf8'))).filter(
      (setting): setting is [string, string] =>
        (setting[0].startsWith('DEPOT_') || OF_SDK.test(setting[0])) && setting[1] !== undefined,
    )
    return settings.length === 0 ? undefined : Object.fromEntries(settings)
  } catch (error) {
    if (codeOf(error) === 'EACCES')
      stderr.write(`The settings in ${file} are not used, because this user may not read it.\n`)
    return undefined
  }
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
  const { dataFolder, database } = config
  const bits = to === 'read' ? constants.R_OK : constants.R_OK | constants.W_OK
  const checks = [
    { path: dataFolder, check: () => void readdirSync(dataFolder) },
    ...(database.engine === 'sqlite'
      ? [{ path: database.file, check: () => accessSync(database.file, bits) }]
      : []),
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

/** Throws `forbidden` if root is about to serve a depot whose database belongs to another user. */
export function expectOwnDepot(config: Config): void {
  const { database } = config
  if (process.geteuid?.() !== 0 || database.engine !== 'sqlite') return
  const found = statSync(database.file, { throwIfNoEntry: false })
  if (found !== undefined && found.uid !== 0)
    throw new DepotError('forbidden', describeRootServing(database.file, found.uid, config))
}

/** Like {@link expectAccess}, and throws `not_found` if there is no depot. */
export function expectDepot(config: LocalConfig, to: 'read' | 'write'): void {
  expectAccess(config, to)
  const { database } = config
  if (database.engine !== 'sqlite' || existsSync(database.file)) return
  const where =
    config.searched.length === 1
      ? `in ${config.dataFolder}: ${database.file} does not exist`
      : `in ${config.searched.join(' or ')}`
  const elsewhere =
    config.searched.length === 1
      ? ''
      : '. Commands about accounts and tokens reach a depot over HTTP with --url or --profile'
  throw new DepotError(
    'not_found',
    `there is no depot ${where}. Set DEPOT_DATA to the data folder of a depot; hart-depot serve creates one${elsewhere}`,
  )
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
