import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { readConfig } from '../../config/config.ts'
import type { Config } from '../../config/config.ts'
import { DepotError } from '../../errors.ts'
import type { Io } from '../io.ts'
import { describeDenial } from './denial.ts'

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
  if (
    ['DEPOT_DATA', 'DEPOT_DATABASE_URL', 'DEPOT_DATABASE_URL_FILE'].some((name) => (env[name] ?? '') !== '')
  ) {
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
