import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseDepotUrl } from '../../client/depot-url.ts'
import { UsageError } from '../exit-codes.ts'
import { pathOf } from '../io.ts'
import type { Io } from '../io.ts'

export interface Profile {
  readonly url: string
  readonly token?: string
}

export interface Profiles {
  /** The profile that is used if none is named. */
  readonly current?: string
  readonly profiles: Readonly<Record<string, Profile>>
}

/** Where a command sends its requests, and why. */
export interface Target {
  readonly url: string
  readonly token: string | undefined
  /** For messages: `profile staging`, `HART_DEPOT_URL`. */
  readonly source: string
}

/** What the command line says about the depot. */
export interface TargetOptions {
  readonly url?: string | undefined
  readonly profile?: string | undefined
}

const PRIVATE_FILE = 0o600
const PRIVATE_FOLDER = 0o700

/** The file with the profiles, below the XDG configuration folder. */
export function profilesFile({ env }: Pick<Io, 'env'>): string {
  const { XDG_CONFIG_HOME: config = '', HOME: home = homedir() } = env
  return join(config === '' ? join(home, '.config') : config, 'hart-depot', 'profiles.json')
}

/**
 * Reads the profiles; none if there is no file. Throws a UsageError if others may read the file, or if it is
 * damaged.
 */
export function readProfiles(io: Pick<Io, 'env'>): Profiles {
  const file = profilesFile(io)
  let text: string
  try {
    if ((statSync(file).mode & 0o077) !== 0)
      throw new UsageError(`other users may read ${file}, which holds tokens: run chmod 600 ${file}`)
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { profiles: {} }
    throw error
  }
  try {
    const { current, profiles } = JSON.parse(text) as Profiles
    if (Object.values(profiles).every(({ url }) => typeof url === 'string'))
      return { profiles, ...(current !== undefined && { current }) }
  } catch {
    // explained below
  }
  throw new UsageError(`${file} is damaged: remove it, and log in again`)
}

/** Replaces the file as a whole, so that a crash leaves the old or the new one. */
export function writeProfiles(io: Pick<Io, 'env'>, profiles: Profiles): void {
  const file = profilesFile(io)
  mkdirSync(dirname(file), { recursive: true, mode: PRIVATE_FOLDER })
  const next = `${file}.${process.pid}`
  writeFileSync(next, `${JSON.stringify(profiles, undefined, 2)}\n`, { mode: PRIVATE_FILE })
  chmodSync(next, PRIVATE_FILE)
  renameSync(next, file)
}

/**
 * Finds the depot of a command: `--url` or `--profile`, then `HART_DEPOT_URL`, then the pair of
 * `HAB_BLDR_URL` and `HAB_AUTH_TOKEN`, then the current profile. A token is used only with the URL that it
 * was given for. Throws a UsageError.
 */
export function findTarget(io: Pick<Io, 'env'>, options: TargetOptions): Target {
  const found = lookUpTarget(io, options)
  if (found === undefined)
    throw new UsageError('no depot is named: run hart-depot login URL, or set HART_DEPOT_URL')
  return found
}

/** Whether {@link findTarget} finds a depot. Throws the other errors of it. */
export function hasTarget(io: Pick<Io, 'env'>, options: TargetOptions): boolean {
  return lookUpTarget(io, options) !== undefined
}

function lookUpTarget(io: Pick<Io, 'env'>, { url, profile }: TargetOptions): Target | undefined {
  const { env } = io
  if (url !== undefined && profile !== undefined)
    throw new UsageError('--url and --profile exclude each other: give only one of them')
  if (url !== undefined) return { url, token: tokenFor(io, url), source: '--url' }
  if (profile !== undefined) {
    const found = readProfiles(io).profiles[profile]
    if (found === undefined)
      throw new UsageError(
        `there is no profile ${profile}: hart-depot login --profile ${profile} URL makes it`,
      )
    return { url: found.url, token: found.token, source: `profile ${profile}` }
  }
  const own = nonEmpty(env['HART_DEPOT_URL'])
  if (own !== undefined) return { url: own, token: tokenFor(io, own), source: 'HART_DEPOT_URL' }
  const [builder, builderToken] = [nonEmpty(env['HAB_BLDR_URL']), nonEmpty(env['HAB_AUTH_TOKEN'])]
  if (builder !== undefined && builderToken !== undefined)
    return { url: builder, token: builderToken, source: 'HAB_BLDR_URL' }
  const { current, profiles } = readProfiles(io)
  const found = current === undefined ? undefined : profiles[current]
  if (found === undefined) return undefined
  return { url: found.url, token: found.token, source: `profile ${current}` }
}

/**
 * Returns the token for a URL. HART_DEPOT_TOKEN counts unless HART_DEPOT_URL names another depot. Otherwise,
 * the profile of this depot has the token.
 */
function tokenFor(io: Pick<Io, 'env'>, url: string): string | undefined {
  const own = nonEmpty(io.env['HART_DEPOT_URL'])
  if (own === undefined || isSameDepot(own, url)) {
    const token = tokenOfEnvironment(io)
    if (token !== undefined) return token
  }
  return Object.values(readProfiles(io).profiles).find((profile) => isSameDepot(profile.url, url))?.token
}

function tokenOfEnvironment(io: Pick<Io, 'env'>): string | undefined {
  const { env } = io
  const token = nonEmpty(env['HART_DEPOT_TOKEN'])
  const file = nonEmpty(env['HART_DEPOT_TOKEN_FILE'])
  if (token !== undefined && file !== undefined)
    throw new UsageError('HART_DEPOT_TOKEN and HART_DEPOT_TOKEN_FILE are both set: set only one of them')
  return file === undefined ? token : checkToken(readFileSync(pathOf(io, file), 'utf8'), file)
}

/** Returns the only word of a text. Throws a UsageError that names where the text is from. */
export function checkToken(text: string, source: string): string {
  const token = text.trim()
  if (!/^[!-~]+$/.test(token))
    throw new UsageError(`there is no token in ${source}: it must contain one word`)
  return token
}

function isSameDepot(one: string, other: string): boolean {
  return parseDepotUrl(one).base === parseDepotUrl(other).base
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : value
}
